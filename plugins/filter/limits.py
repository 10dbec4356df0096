# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: what services may use of their host, and several workers on one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

# The services of the table in the role airflow_service; a unit test holds them equal.
SERVICES = ("scheduler", "dag-processor", "triggerer", "api-server", "worker", "flower", "worker-monitor")

# A size has its unit: systemd takes a bare number for bytes.
SIZE = (
    r"infinity|(?!0)\d+[KMGT]|(?!0)\d{1,2}%|100%",
    "a size such as 4G, a percentage such as 80%, or infinity",
)
WEIGHT = r"(?!0)\d{1,4}|10000"
FILES = r"(?!0)\d+|infinity"
# Of each directive, what its value looks like.
DIRECTIVES = {
    "CPUQuota": (r"(?!0)\d+%", "a percentage of one CPU such as 150%"),
    "CPUWeight": (f"{WEIGHT}|idle", "a number from 1 to 10000, or idle"),
    "IOWeight": (WEIGHT, "a number from 1 to 10000"),
    "LimitNOFILE": (rf"(?:{FILES})(?::(?:{FILES}))?", "a number of files such as 65536, or infinity"),
    "MemoryHigh": SIZE,
    "MemoryMax": SIZE,
    "TasksMax": (
        r"infinity|(?!0)\d+|(?!0)\d{1,2}%|100%",
        "a number of threads such as 4096, a percentage, or infinity",
    ),
}
# Those of a worker that is not the only one of its host.
SETTINGS = ("queues", "concurrency", "stop_timeout", "limits")


def directive_errors(limits: Any) -> list[str]:
    """Return what is wrong with the limits of one service, as ends of sentences.

    :param limits: meant to be ``{directive: value}``
    """
    if not isinstance(limits, Mapping):
        return ["must be a mapping of directives"]
    errors = []
    for name, value in limits.items():
        pattern, wanted = DIRECTIVES.get(name, ("", ""))
        if not pattern:
            errors.append(f"has {name}, which is none of {', '.join(DIRECTIVES)}")
        elif isinstance(value, bool) or not re.fullmatch(pattern, str(value), re.ASCII):
            errors.append(f"has '{value}' for {name}, which must be {wanted}")
    return errors


def limit_errors(limits: Any) -> list[str]:
    """Return what is wrong with limits.

    :param limits: meant to be ``{service: {directive: value}}``
    :returns: one sentence for each error; empty if there is none
    """
    if not isinstance(limits, Mapping):
        return ["it must be a mapping of services"]
    return [
        sentence
        for service, directives in limits.items()
        for sentence in (
            [f"'{service}' {error}" for error in directive_errors(directives)]
            if service in SERVICES
            else [f"'{service}' is none of {', '.join(SERVICES)}"]
        )
    ]


def limit_directives(names: Iterable[str]) -> list[str]:
    """Return those of directives that are limits, sorted."""
    return sorted(DIRECTIVES.keys() & set(names))


def setting_problem(name: str, value: Any) -> str | None:
    """Return what is wrong with a setting of a worker, as the end of a sentence."""
    if name == "queues":
        if isinstance(value, list) and value and all(map(is_queue, value)):
            return None
        return "must list queues of letters, digits, '_', '.' and '-', not named 'host.…'"
    if name in ("concurrency", "stop_timeout"):
        if not isinstance(value, bool) and re.fullmatch(r"(?!0)\d+", str(value), re.ASCII):
            return None
        return "must be a whole number, 1 or more"
    return f"is none of {', '.join(SETTINGS)}"


def is_queue(name: Any) -> bool:
    """Return whether a name is that of a queue, and not of the queue of a single worker."""
    return isinstance(name, str) and bool(re.fullmatch(r"(?!host\.)[A-Za-z0-9][A-Za-z0-9_.-]*", name))


def worker_instance_errors(instances: Any, host: str, hosts: Collection[str]) -> list[str]:
    """Return what is wrong with the further workers of a host.

    :param instances: meant to be ``{name: settings}``
    :param hosts: the names of all hosts, with which no worker may share its own
    :returns: one sentence for each error; empty if there is none
    """
    if not isinstance(instances, Mapping):
        return ["it must be a mapping of names"]
    errors = []
    for name, settings in instances.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name):
            errors.append(f"'{name}' is not a name of at most 32 lower-case letters, digits, '_' and '-'")
        elif f"{host}.{name}" in hosts:
            errors.append(f"'{name}' would be known as {host}.{name}, which is a host")
        elif not isinstance(settings, Mapping):
            errors.append(f"'{name}' must be a mapping of settings")
        else:
            errors += [
                f"{key} of '{name}' {problem}"
                for key, value in {"queues": None, **settings}.items()
                if key != "limits" and (problem := setting_problem(key, value))
            ]
            errors += [
                f"limits of '{name}' {error}" for error in directive_errors(settings.get("limits", {}))
            ]
    return errors


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {
            "limit_directives": limit_directives,
            "limit_errors": limit_errors,
            "worker_instance_errors": worker_instance_errors,
        }
