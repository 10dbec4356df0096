# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: the health of a cluster, as a report and as the lines of a screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]
HostVars = Mapping[str, Mapping[str, Any]]
Check = dict[str, str]

# What ping-workers writes.
DRAINED = "drained: "
RESUME = "takes no tasks until playbooks/resume.yml"
UNKNOWN = "takes tasks, and is not in the inventory: stop airflow-worker on it, or add the host"
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
NO_RESULT = {"failed": True, "msg": "left out of this run before it was asked"}


def check(name: str, host: str, problem: str, message: str = "") -> Check:
    """Return one check: it is ok unless there is a problem."""
    return {
        "check": name,
        "host": host,
        "state": "failed" if problem else "ok",
        "message": problem or message,
    }


def failure(result: Result) -> str:
    """Return why a task failed; "" if it has not."""
    if not (result.get("failed") or result.get("unreachable")):
        return ""
    text = str(result.get("stderr") or result.get("msg") or "no answer")
    return text.strip().splitlines()[-1].removeprefix("Task failed: ")


def control_plane_checks(host: str, result: Result) -> list[Check]:
    """Return the checks of one API server and of the components of which it tells."""
    answer = result.get("json")
    if not answer:
        return [check("api_server", host, failure(result) or "no answer")]
    found = [check("api_server", host, "", "answers")]
    for name in COMPONENTS:
        status = str((answer.get(name) or {}).get("status"))
        found.append(check(name, host, "" if status == "healthy" else status, status))
    return found


def drained_workers(result: Result) -> list[str]:
    """Return the workers that the ping has found to be drained."""
    lines = result.get("stdout_lines") or []
    return [line.removeprefix(DRAINED) for line in lines if line.startswith(DRAINED)]


def flower_checks(host: str, result: Result, workers: Iterable[str], known: Iterable[str]) -> list[Check]:
    """Return the checks of Flower, of the workers that it has to list, and of those that it should not list.

    :param workers: those that it has to list
    :param known: all of the inventory
    """
    listed = result.get("json")
    if listed is None:
        problem = failure(result) or "no answer"
        unknown = "unknown, Flower does not answer"
        return [
            check("flower", host, problem),
            *(check("flower_lists_worker", worker, unknown) for worker in workers),
        ]
    missing = missing_workers(workers, listed)
    problems = {worker: "not online" if worker in missing else "" for worker in workers}
    return [
        check("flower", host, "", "answers"),
        *(check("flower_lists_worker", worker, problem, "online") for worker, problem in problems.items()),
        *(check("unknown_worker", worker, UNKNOWN) for worker in unknown_workers(listed, known)),
    ]


def ping_checks(result: Result, workers: Iterable[str]) -> list[Check]:
    """Return the checks of the workers that were pinged through the broker, unless they are drained."""
    problem, drained = failure(result), drained_workers(result)
    _text, named, names = problem.partition("no reply from: ")
    silent = names.split(", ")
    return [
        check(
            "worker_answers_ping",
            worker,
            (problem if not named else "no reply" if f"celery@{worker}" in silent else ""),
            "replied",
        )
        for worker in workers
        if worker not in drained
    ] + [{"check": "drained", "host": worker, "state": "ok", "message": RESUME} for worker in drained]


def health_report(
    hosts: Iterable[str],
    hostvars: HostVars,
    workers: Sequence[str],
    known: Sequence[str],
    roles: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return the checks of a cluster, and whether all of them are ok.

    :param hosts: hosts of the play that has registered the results, those that it has lost too
    :param workers: those that Flower has to list, unless they are drained, and that were pinged
    :param known: all workers of the inventory
    :param roles: the hosts of ``webservers``, ``flower`` and ``workers``
    """
    checks = []
    for host in hosts:
        results = hostvars[host]
        if host in roles["webservers"]:
            checks += control_plane_checks(host, results.get("__airflow_api_server_health", NO_RESULT))
        if host in roles["flower"]:
            ping = results.get("__airflow_worker_monitor_ping", NO_RESULT)
            listed = [worker for worker in workers if worker not in drained_workers(ping)]
            flower = results.get("__airflow_flower_workers", NO_RESULT)
            checks += flower_checks(host, flower, listed, known)
            checks += ping_checks(ping, workers)
    for host in roles["workers"]:
        if (hostvars[host].get("__preflight_facts") or {}).get("unreachable"):
            checks.append(check("reachable", host, "unreachable, left out"))
    return {"healthy": all(entry["state"] == "ok" for entry in checks), "checks": checks}


def health_summary(report: Mapping[str, Any]) -> list[str]:
    """Return a line for each kind of check: how many are ok, and which hosts have which problem.

    Drained workers are named.
    """
    lines = []
    for name in dict.fromkeys(entry["check"] for entry in report["checks"]):
        entries = [entry for entry in report["checks"] if entry["check"] == name]
        problems: dict[str, list[str]] = {}
        for entry in entries:
            if entry["state"] != "ok":
                problems.setdefault(entry["message"], []).append(entry["host"])
        ok = len(entries) - sum(map(len, problems.values()))
        names = ", ".join(entry["host"] for entry in entries)
        parts = [names if name == "drained" else f"{ok} ok"] if ok else []
        parts += [f"FAILED {', '.join(hosts)} ({message})" for message, hosts in problems.items()]
        lines.append(f"{name}: {'; '.join(parts)}")
    return lines


def missing_workers(names: Iterable[str], listed: Mapping[str, bool]) -> list[str]:
    """Return the workers that Flower does not list as online, sorted.

    :param names: inventory names of workers
    :param listed: what Flower's ``/api/workers?status=true`` returns
    """
    return sorted(name for name in names if not listed.get(f"celery@{name}"))


def unknown_workers(listed: Mapping[str, bool], names: Iterable[str]) -> list[str]:
    """Return the workers that Flower lists as online and the inventory does not have, sorted.

    :param listed: what Flower's ``/api/workers?status=true`` returns
    :param names: inventory names of all workers
    """
    return sorted({node.removeprefix("celery@") for node, online in listed.items() if online} - set(names))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {
            "drained_workers": drained_workers,
            "health_report": health_report,
            "health_summary": health_summary,
            "missing_workers": missing_workers,
            "unknown_workers": unknown_workers,
        }
