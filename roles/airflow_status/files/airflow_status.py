"""The state of a cluster of Airflow on one screen: of this host, and what its services know of the others.

Exit code 0: healthy, 1: not. Reads what is there and asks no worker.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Check = dict[str, str]
Found = Mapping[str, Any]

UNITS = Path("/etc/systemd/system")
SETTINGS = Path("/etc/airflow")
CURRENT = Path("/opt/airflow/current")
DAGS = Path("/opt/airflow/dags")
PATRONI = Path("/etc/patroni/config.yml")
REPLICATION = Path("/usr/local/sbin/valkey-replication")
MONITOR = Path("/run/airflow-worker-monitor/status.json")
DUMPS = Path("/var/backups/airflow")
CERTIFICATES = (
    "/etc/airflow/*.pem",
    "/etc/postgresql/*/main/lakehouse.pem",
    "/etc/patroni/lakehouse.pem",
    "/etc/etcd/lakehouse.pem",
    "/etc/valkey/lakehouse.pem",
)
SERVERS = (
    "valkey-server.service",
    "valkey-sentinel.service",
    "haproxy.service",
    "etcd.service",
    "patroni.service",
    "postgresql@*.service",
)
PROPERTIES = (
    "Id,Type,ActiveState,Result,UnitFileState,NRestarts,"
    "ActiveEnterTimestamp,ExecMainStartTimestamp,FragmentPath"
)
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
# Of the worker monitor: after these seconds it has failed.
MONITOR_AGE = 30
# Below these, a run of site.yml or an administrator is late.
CERTIFICATE_DAYS = 14
FREE_PERCENT = 10
DAY = 86400
UNKNOWN = "takes tasks, and is not in the inventory"

# By a role that may read the metadata database; the connection is in the environment.
QUERY = r"""
import os, sys
import psycopg2
url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
with psycopg2.connect(url, connect_timeout=5, options="-c statement_timeout=10000") as connection:
    cursor = connection.cursor()
    cursor.execute('''
        SELECT json_build_object(
            'tasks', (SELECT coalesce(json_object_agg(state, n), '{}') FROM (
                SELECT state, count(*) AS n FROM task_instance
                WHERE state IN ('running', 'queued', 'scheduled', 'deferred', 'up_for_retry', 'restarting')
                GROUP BY state) AS tasks),
            'runs', (SELECT coalesce(json_object_agg(state, n), '{}') FROM (
                SELECT state, count(*) AS n FROM dag_run
                WHERE state IN ('running', 'queued') GROUP BY state) AS runs),
            'oldest_queued', (SELECT extract(epoch FROM now() - min(queued_dttm))::int
                FROM task_instance WHERE state = 'queued'),
            'bytes', pg_database_size(current_database()),
            'version', obj_description(to_regclass('alembic_version'), 'pg_class'))::text''')
    print(cursor.fetchone()[0])
"""


def run(*command: str, text: str = "") -> str:
    """Run a command and return its output; fail with its last line of errors."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"{command[0]} has ended with {done.returncode}"]
        raise OSError(lines[-1])
    return done.stdout


def tried(collect: Callable[[], Any]) -> Any:
    """Return what a function returns, or why it has failed as {"error": text}."""
    try:
        return collect()
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return {"error": " ".join(str(error).split()) or type(error).__name__}


def settings(service: str) -> dict[str, str]:
    """Return the environment file of a service, {} if it has none."""
    path = SETTINGS / f"{service}.env"
    if not path.exists():
        return {}
    lines = shlex.split(path.read_text(encoding="utf-8"), comments=True)
    return dict(line.split("=", 1) for line in lines if "=" in line)


def seconds(timestamp: str) -> int:
    """Return a time of `systemctl show --timestamp=unix`, 0 if there is none."""
    return int(timestamp.removeprefix("@") or 0) if timestamp not in {"n/a", ""} else 0


def written(name: str) -> float:
    """Return when the newer of the files of a unit of the collection was written, 0 if it has none."""
    unit = UNITS / name
    environment = SETTINGS / f"{name.removeprefix('airflow-').removesuffix('.service')}.env"
    return max(
        (path.stat().st_mtime for path in (unit, environment) if unit.exists() and path.exists()), default=0
    )


def own_units() -> list[str]:
    """Return the names of the services of the collection on this host, and of its servers."""
    own = [
        path.name
        for path in UNITS.glob("airflow-*.service")
        if not path.is_symlink() and "@." not in path.name
    ]
    listed = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "airflow-*.service", *SERVERS)
    names = [line.split()[0] for line in listed.splitlines() if line.split()[1] == "loaded"]
    return sorted({*own, *names})


def unit(text: str) -> dict[str, Any]:
    """Return a unit from the output of `systemctl show`."""
    found = dict(line.split("=", 1) for line in text.splitlines())
    started = seconds(found.get("ExecMainStartTimestamp", ""))
    fragment = Path(found["FragmentPath"])
    environment = re.search(
        r"^ExecStart=/opt/airflow/([^/]+)/bin/", fragment.read_text(encoding="utf-8"), re.MULTILINE
    )
    running = found["ActiveState"] in {"active", "reloading"} and found["Type"] != "oneshot"
    return {
        "name": found["Id"].removesuffix(".service"),
        "state": found["ActiveState"],
        "result": found["Result"],
        "enabled": found["UnitFileState"],
        "oneshot": found["Type"] == "oneshot",
        "since": seconds(found["ActiveEnterTimestamp"]),
        "started": started,
        "restarts": int(found.get("NRestarts") or 0),
        "environment": environment[1] if environment else "",
        "outdated": running and 0 < started < int(written(found["Id"])),
    }


def units() -> list[dict[str, Any]]:
    names = own_units()
    if not names:
        return []
    shown = run("systemctl", "show", "--timestamp=unix", "--property", PROPERTIES, *names)
    return [unit(text) for text in shown.strip().split("\n\n") if "FragmentPath=/" in text]


def disks() -> list[dict[str, Any]]:
    """Return the file systems with data of the cluster."""
    found = {}
    for path in map(Path, ("/", "/var", "/var/lib", "/var/log", "/opt")):
        if path.exists() and (device := path.stat().st_dev) not in found:
            size = os.statvfs(path)
            total = size.f_blocks * size.f_frsize
            found[device] = {"path": str(path), "bytes": total, "free": size.f_bavail * size.f_frsize}
    return [disk for disk in found.values() if disk["bytes"]]


def memory() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    found = {name: int(value.split()[0]) * 1024 for name, value in (line.split(":", 1) for line in lines)}
    return {"bytes": found["MemTotal"], "free": found["MemAvailable"]}


def certificates() -> list[dict[str, Any]]:
    """Return when the certificates on this host end."""
    paths = [path for pattern in CERTIFICATES for path in sorted(Path("/").glob(pattern[1:]))]
    found = []
    for path in paths:
        text = run("openssl", "x509", "-noout", "-enddate", "-in", str(path))
        end = ssl.cert_time_to_seconds(text.strip().removeprefix("notAfter="))
        found.append({"path": str(path), "end": end})
    return found


def components() -> dict[str, str] | None:
    """Return what the API server of this host says of itself and the components; None if there is none."""
    found = settings("api-server")
    if not found:
        return None
    host = found.get("AIRFLOW__API__HOST", "127.0.0.1")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not listened on
    scheme = "https" if "AIRFLOW__API__SSL_CERT" in found else "http"
    path = re.sub(r"\A[a-z]+://[^/]*|/+\Z", "", found.get("AIRFLOW__API__BASE_URL", ""))
    address = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{address}:{found['AIRFLOW__API__PORT']}{path}/api/v2/monitor/health"
    # On this host, by an address that is in no certificate; nothing secret is sent.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    with urllib.request.urlopen(url, timeout=10, context=context) as answer:  # noqa: S310 - http or https
        health = json.load(answer)
    return {name: str((health.get(name) or {}).get("status")) for name in COMPONENTS}


def database() -> Any:
    """Return what the metadata database knows, None on a host that has no scheduler."""
    if not (UNITS / "airflow-scheduler.service").exists():
        return None
    command = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--uid=airflow-cli"]
    properties = ["--property=RuntimeMaxSec=20", f"--property=EnvironmentFile={SETTINGS}/cli.env"]
    return json.loads(run(*command, *properties, str(CURRENT / "bin/python"), "-I", "-c", QUERY))


def monitor() -> dict[str, Any] | None:
    """Return what the worker monitor of this host has written, None if it has none, or had one."""
    enabled = ["systemctl", "is-enabled", "--quiet", "airflow-worker-monitor"]
    if subprocess.run(enabled, capture_output=True, timeout=30, check=False).returncode != 0:
        return None
    return {
        "age": int(time.time() - MONITOR.stat().st_mtime),
        **json.loads(MONITOR.read_text(encoding="utf-8")),
    }


def backup() -> dict[str, Any] | None:
    """Return the newest dump of a database on this host, None if there is none."""
    dumps = sorted(DUMPS.glob("*.dump"), key=lambda path: path.stat().st_mtime) if DUMPS.is_dir() else []
    if not dumps:
        return None
    return {"path": str(dumps[-1]), "time": int(dumps[-1].stat().st_mtime), "bytes": dumps[-1].stat().st_size}


def members() -> list[dict[str, str]] | None:
    """Return what Patroni knows of the hosts of PostgreSQL, None where there is only one."""
    if not PATRONI.exists():
        return None
    listed = json.loads(run("patronictl", "--config-file", str(PATRONI), "list", "--format", "json"))
    return [{"name": item["Member"], "role": item["Role"], "state": item["State"]} for item in listed]


def broker() -> dict[str, str] | None:
    """Return what the Valkey of this host says of its replication, None where it is the only one."""
    if not REPLICATION.exists():
        return None
    lines = run(str(REPLICATION), "status").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def link(path: Path) -> str:
    """Return the name of the directory to which a link leads, empty if there is no link."""
    return path.readlink().name if path.is_symlink() else ""


def packages() -> dict[str, str]:
    """Return the versions of the servers on this host."""
    wanted = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package} ${Version}\n"]
    done = subprocess.run(
        [*wanted, "postgresql-[0-9]*", "valkey-server"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("installed ")]
    return {name: version for _status, name, version in lines}


def collect() -> dict[str, Any]:
    """Return what there is on this host."""
    parts: dict[str, Callable[[], Any]] = {
        "units": units,
        "disks": disks,
        "memory": memory,
        "packages": packages,
        "certificates": certificates,
        "components": components,
        "database": database,
        "monitor": monitor,
        "backup": backup,
        "broker": broker,
        "members": members,
    }
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
        if "=" in line
    )
    return {
        "time": int(time.time()),
        "debian": release.get("VERSION_ID", "").strip('"'),
        "load": os.getloadavg()[0],
        "environment": link(CURRENT),
        "dags": link(DAGS),
        "drained": (SETTINGS / "worker-drained").exists(),
        **{name: tried(part) for name, part in parts.items()},
    }


# What follows judges, and reads nothing of a host.


def check(name: str, host: str, problem: str = "", message: str = "") -> Check:
    """Return one check, as those of playbooks/verify.yml are: it is ok unless there is a problem."""
    return {
        "check": name,
        "host": host,
        "state": "failed" if problem else "ok",
        "message": problem or message,
    }


def error(part: Any) -> str:
    """Return why a part could not be collected, empty if it was."""
    return str(part["error"]) if isinstance(part, Mapping) and "error" in part else ""


def parts(hosts: Mapping[str, Found], name: str) -> Iterator[tuple[str, Any]]:
    """Return a part of each host that has it, and could collect it."""
    for host, found in hosts.items():
        if found.get(name) and not error(found[name]):
            yield host, found[name]


def unit_checks(host: str, found: Found, wanted: Iterable[str]) -> Iterator[Check]:
    """Return the checks of the units of a host, of which some have to run."""
    listed = [] if error(found["units"]) else found["units"]
    running = [item["name"] for item in listed if item["state"] == "active"]
    for name in wanted:
        if not fnmatch.filter(running, name) and not (name == "airflow-worker" and found["drained"]):
            states = [item["state"] for item in listed if fnmatch.fnmatch(item["name"], name)]
            yield check(
                "unit", host, f"{name.removesuffix('@*')} is {states[0] if states else 'not installed'}"
            )
    for item in listed:
        if item["state"] == "failed" and not fnmatch.filter([item["name"]], "airflow-worker-health"):
            yield check("unit", host, f"{item['name']} has failed: {item['result']}")
        if item["outdated"]:
            yield check(
                "settings", host, f"{item['name']} runs with older settings than its files have: run site.yml"
            )


def host_checks(host: str, found: Found | None, wanted: Iterable[str]) -> Iterator[Check]:
    """Return the checks of a host."""
    if found is None:
        yield check("reachable", host, "does not answer")
        return
    yield check("reachable", host, message="answers")
    for name in ("units", "disks", "memory", "certificates"):
        if problem := error(found[name]):
            yield check(name, host, problem)
    problems = {item["message"]: item for item in unit_checks(host, found, wanted)}
    yield from problems.values() or [check("unit", host, message="all run")]
    for disk in [] if error(found["disks"]) else found["disks"]:
        free = 100 * disk["free"] // disk["bytes"]
        yield check("disk", host, f"{disk['path']} has {free} % free" if free < FREE_PERCENT else "")
    for item in [] if error(found["certificates"]) else found["certificates"]:
        days = (item["end"] - found["time"]) // DAY
        late = days < CERTIFICATE_DAYS
        yield check("certificate", host, f"{item['path']} ends in {days} days: run site.yml" if late else "")


def service_checks(hosts: Mapping[str, Found]) -> Iterator[Check]:
    """Return the checks of what the services say of the cluster."""
    for host, found in hosts.items():
        health, data = found["components"], found["database"]
        if health:
            yield check("api_server", host, error(health), "answers")
        for name in COMPONENTS if health and not error(health) else ():
            yield check(name, host, "" if health[name] == "healthy" else health[name], "healthy")
        if data:
            yield check("database", host, error(data), "answers")
        if found["monitor"]:
            yield from monitor_checks(host, found["monitor"])
    yield from member_checks(hosts)
    yield from broker_checks(hosts)


def member_checks(hosts: Mapping[str, Found]) -> Iterator[Check]:
    """Return the checks of the primary and the standbys of several hosts of PostgreSQL."""
    found = {host: parts["members"] for host, parts in hosts.items() if parts.get("members") is not None}
    for host, members in found.items():
        known = [] if error(members) else members
        own = next((item for item in known if item["name"] == host), None)
        if own is None:
            yield check("postgresql", host, error(members) or "is no member: journalctl -u patroni")
        else:
            well = own["state"] in {"running", "streaming"}
            yield check("postgresql", host, "" if well else own["state"], own["role"].lower())
    known = next((members for members in found.values() if not error(members)), [])
    roles = [item["role"] for item in known]
    if known and roles.count("Leader") != 1:
        yield check("postgresql", "cluster", "has no primary")
    elif known and "Sync Standby" not in roles:
        yield check("postgresql", "cluster", "no standby has what is committed: a failover is not possible")


def broker_checks(hosts: Mapping[str, Found]) -> Iterator[Check]:
    """Return the checks of the primary and the replicas of several brokers."""
    answers = {host: found["broker"] for host, found in hosts.items() if found.get("broker")}
    for host, found in answers.items():
        if error(found):
            yield check("broker", host, "does not say whether it is the primary or a replica")
        elif found["role"] == "master":
            yield check("broker", host, message=f"primary, {found['connected_slaves']} replicas follow it")
        else:
            problem = "" if found["master_link_status"] == "up" else f"does not reach {found['master_host']}"
            yield check("broker", host, problem, f"replica of {found['master_host']}")
    primaries = [host for host, found in answers.items() if found.get("role") == "master"]
    # That of a replica may be on a host that was not asked.
    followed = any(found.get("master_link_status") == "up" for found in answers.values())
    if len(primaries) > 1 or (answers and not primaries and not followed):
        yield check("broker", "cluster", f"has {len(primaries)} primaries: {', '.join(primaries) or 'none'}")


def monitor_checks(host: str, found: Any) -> Iterator[Check]:
    """Return the checks of the worker monitor and of the workers."""
    problem = error(found)
    if not problem and found["age"] > MONITOR_AGE:
        problem = f"has not written its status for {found['age']} s"
    yield check("worker_monitor", host, problem, "answers")
    if problem:
        return
    for name, worker in found["workers"].items():
        if worker["drained"] and not worker["problem"]:
            yield check("drained", name, message="takes no tasks until playbooks/resume.yml")
        else:
            yield check("worker", name, worker["problem"] or "", "healthy")
    for name in found["problems"].keys() - found["workers"].keys():
        unknown = found["problems"][name] == UNKNOWN
        yield check("unknown_worker" if unknown else name, name, found["problems"][name])


def differences(hosts: Mapping[str, Found], workers: Sequence[str] | None) -> Iterator[Check]:
    """Return a check for each difference between the hosts, or between the inventory and the monitor.

    :param workers: those of the inventory, None where that is not known
    """
    # The environment of a host also depends on its Debian.
    for name, what in (("environment", "has the environment"), ("dags", "has the DAGs")):
        for debian in (
            sorted({found["debian"] for found in hosts.values()}) if name == "environment" else [""]
        ):
            of_host = {
                host: found[name]
                for host, found in hosts.items()
                if found[name] and debian in {"", found["debian"]}
            }
            usual = max(of_host.values(), key=list(of_host.values()).count, default="")
            for host, value in of_host.items():
                if value != usual:
                    yield check(name, host, f"{what} {value}, most others {usual}: run site.yml")
    versions = {
        host: found["environment"].partition("-")[0] for host, found in hosts.items() if found["environment"]
    }
    if len(set(versions.values())) > 1:
        shown = ", ".join(f"{host} {version}" for host, version in sorted(versions.items()))
        yield check("version", "cluster", f"several versions of Airflow: {shown}")
    for host, found in parts(hosts, "monitor") if workers is not None else ():
        expected = found["workers"]
        for name in sorted({*expected, *(workers or [])}):
            if name not in expected:
                yield check(
                    "inventory", name, f"the worker monitor on {host} does not expect it: run site.yml"
                )
            elif name not in (workers or []):
                yield check(
                    "inventory",
                    name,
                    f"not in it, and expected by the worker monitor on {host}: run site.yml",
                )


def answer(result: Mapping[str, Any]) -> Found | None:
    """Return what a host has collected, from Ansible's result of the task; None if it has not answered."""
    # A warning of sudo may come first.
    lines = [line for line in str(result.get("stdout") or "").splitlines() if line.startswith("{")]
    return dict(json.loads(lines[-1])) if lines else None


def report(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of the cluster, with the form of the report of playbooks/verify.yml and more.

    :param given: `hosts`: what each host has collected, None if it does not answer; `units`: the hosts that
                  have to run each unit; `workers`: those of the inventory, if it is known
    """
    expected: Mapping[str, Sequence[str]] = given["units"]
    checks: list[Check] = []
    for host, found in given["hosts"].items():
        checks += host_checks(host, found, [name for name in expected if host in expected[name]])
    hosts = {host: found for host, found in given["hosts"].items() if found is not None}
    checks += [*service_checks(hosts), *differences(hosts, given.get("workers"))]
    monitors, databases = (
        [dict(found) for _host, found in parts(hosts, "monitor")],
        [*parts(hosts, "database")],
    )
    workers = monitors[0]["workers"] if monitors else {}
    backups = sorted(
        ({"host": host, **found} for host, found in parts(hosts, "backup")), key=lambda item: item["time"]
    )
    return {
        "healthy": all(item["state"] == "ok" for item in checks),
        "time": max((found["time"] for found in hosts.values()), default=0),
        "checks": checks,
        "hosts": given["hosts"],
        "workers": workers,
        "slots": {
            "busy": sum(worker["active"] for worker in workers.values()),
            "all": sum(worker["slots"] or 0 for worker in workers.values() if not worker["drained"]),
        },
        "queues": monitors[0].get("queues", {}) if monitors else {},
        "database": databases[0][1] if databases else None,
        "backup": backups[-1] if backups else None,
    }


# The screen.


def age(length: float) -> str:
    """Return a length of time in its two largest units."""
    for size, name, smaller, short in ((DAY, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if length >= size:
            return f"{length // size:.0f} {name} {length % size // smaller:.0f} {short}"
    return f"{max(length, 0):.0f} s"


def size(count: float) -> str:
    for name in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {name}"
        count /= 1024
    return f"{count:.1f} TiB"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return a title and columns; nothing without rows."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in lines) for i in range(len(head))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    ]
    return ["", title, *(f"  {line}" for line in text)] if rows else []


def host_row(host: str, found: Found | None) -> list[str]:
    if found is None:
        return [host, "DOES NOT ANSWER", "", "", "", ""]
    disks = (
        [] if error(found["disks"]) else sorted(found["disks"], key=lambda disk: disk["free"] / disk["bytes"])
    )
    full = [f"{size(disk['free'])} of {size(disk['bytes'])} on {disk['path']}" for disk in disks]
    free = (
        "?"
        if error(found["memory"])
        else f"{size(found['memory']['free'])} of {size(found['memory']['bytes'])}"
    )
    return [
        host,
        found["environment"] or "none",
        found["dags"][:12],
        f"{found['load']:.1f}",
        free,
        (full or ["?"])[0],
    ]


def unit_rows(host: str, found: Found) -> Iterator[list[str]]:
    for item in [] if error(found["units"]) else found["units"]:
        stopped = item["state"] != "active"
        if item["oneshot"] and item["state"] != "failed":
            continue
        since = "" if stopped or not item["since"] else age(found["time"] - item["since"])
        note = (
            ["drained"] if found["drained"] and item["name"].startswith("airflow-worker") and stopped else []
        )
        note += ["older settings"] if item["outdated"] else []
        yield [host, item["name"], item["state"], since, str(item["restarts"]), ", ".join(note)]


def screen(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of the screen."""
    hosts = {host: data for host, data in found["hosts"].items() if data is not None}
    failed = [item for item in found["checks"] if item["state"] != "ok"]
    moment = datetime.fromtimestamp(found["time"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    state = "healthy" if found["healthy"] else "NOT HEALTHY"
    lines = [f"{state}, {len(hosts)} of {len(found['hosts'])} hosts, {moment}"]
    lines += [f"  FAILED {item['host']}: {item['check']}: {item['message']}" for item in failed]
    head = ["host", "environment", "DAGs", "load", "memory free", "least disk free"]
    lines += table("HOSTS", head, [host_row(host, data) for host, data in found["hosts"].items()])
    rows = [row for host, data in hosts.items() for row in unit_rows(host, data)]
    lines += table("UNITS", ["host", "unit", "state", "since", "restarts", ""], rows)
    workers = [
        [
            name,
            f"{worker['active']} of {worker['slots'] if worker['slots'] is not None else '?'}",
            ", ".join(queue for queue in worker["queues"] if not queue.startswith("host.")),
            worker["problem"] or ("drained" if worker["drained"] else "healthy"),
        ]
        for name, worker in found["workers"].items()
    ]
    lines += table("WORKERS", ["worker", "slots in use", "queues", "state"], workers)
    return [*lines, "", *summary(found)]


def summary(found: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines of what concerns the cluster as a whole."""
    hosts = {host: data for host, data in found["hosts"].items() if data is not None}
    if data := found["database"]:
        tasks = ", ".join(
            f"{data['tasks'].get(state, 0)} {state}" for state in ("running", "queued", "scheduled")
        )
        others = [f"{count} {state}" for state, count in data["tasks"].items() if state not in tasks]
        oldest = (
            f"; the oldest queued for {age(data['oldest_queued'])}"
            if data["oldest_queued"] is not None
            else ""
        )
        runs = f"DAG runs: {data['runs'].get('running', 0)} running, {data['runs'].get('queued', 0)} queued"
        yield f"TASKS         {', '.join([tasks, *others])}{oldest}; {runs}"
        yield f"DATABASE      {data['version'] or 'no version'}, {size(data['bytes'])}"
    if found["workers"]:
        yield f"SLOTS         {found['slots']['busy']} of {found['slots']['all']} in use"
        depths = [
            f"{name} {count}"
            for name, count in found["queues"].items()
            if count or not name.startswith("host.")
        ]
        yield f"QUEUES        {', '.join(depths) or 'unknown'}"
    servers = [
        f"{name} {version} on {host}"
        for host, part in parts(hosts, "packages")
        for name, version in part.items()
    ]
    if servers:
        yield f"SERVERS       {', '.join(servers)}"
    health = [
        f"{item['check']} on {item['host']}: {item['message']}"
        for item in found["checks"]
        if item["check"] in {"api_server", *COMPONENTS}
    ]
    yield f"HEALTH        {'; '.join(health) or 'no API server'}"
    ends = [(item["end"], host, item["path"]) for host, part in parts(hosts, "certificates") for item in part]
    for end, host, path in sorted(ends)[:1]:
        days = (end - found["time"]) // DAY
        yield f"CERTIFICATES  {len(ends)}, the first ends in {days:.0f} days: {path} on {host}"
    if last := found["backup"]:
        ago = age(found["time"] - last["time"])
        yield f"LAST BACKUP   {ago} ago, {size(last['bytes'])}: {last['path']} on {last['host']}"
    else:
        yield "LAST BACKUP   none"


def here() -> dict[str, Any]:
    """Return what to report where no inventory is known: this host alone."""
    name = socket.gethostname()
    for path in sorted(SETTINGS.glob("*.env")):
        name = settings(path.stem).get("AIRFLOW__LAKEHOUSE__HOSTNAME", name)
    found = collect()
    enabled = (
        [] if error(found["units"]) else [item for item in found["units"] if item["enabled"] == "enabled"]
    )
    # One that starts with its host has to run.
    wanted = [item["name"] for item in enabled if not item["oneshot"]]
    return {"hosts": {name: found}, "units": {unit_name: [name] for unit_name in wanted}}


def main() -> int:
    parser = argparse.ArgumentParser(prog="airflow-status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="write JSON instead of a screen")
    # For playbooks/status.yml: what is on a host as JSON; the report of what standard input has of all hosts.
    parser.add_argument("--collect", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--merge", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.merge and os.geteuid() != 0:
        print(
            "airflow-status: reads settings that only root may read; use: sudo airflow-status",
            file=sys.stderr,
        )
        return 2
    if arguments.collect:
        print(json.dumps(collect()))
        return 0
    if arguments.merge:
        given = json.load(sys.stdin)
        found = report({**given, "hosts": {host: answer(result) for host, result in given["hosts"].items()}})
        print(json.dumps({"report": found, "screen": screen(found)}))
        return 0
    found = report(here())
    print(json.dumps(found, indent=4) if arguments.json else "\n".join(screen(found)))
    return 0 if found["healthy"] else 1


if __name__ == "__main__":
    sys.exit(main())
