"""Invalid input stops the run before a change; the message says what is wrong, where, and the remedy."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib import Cluster, Host, Result, run_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Interpreters for Ansible that see another Debian release, or another time, than the host's.
OTHER_RELEASE = """#!/bin/sh
exec unshare --mount /bin/sh -c '
    mount --bind /root/os-release /etc/os-release &&
    mount --bind /root/debian-version /etc/debian_version &&
    exec /usr/bin/python3 "$@"
' sh "$@"
"""
OTHER_TIME = """#!/bin/sh
exec faketime -f +60s /usr/bin/python3 "$@"
"""
WORKER_FILES = {
    "other-release": OTHER_RELEASE,
    "other-time": OTHER_TIME,
    "os-release": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID=10\nVERSION="10 (buster)"\n',
    "debian-version": "10.13\n",
}


def for_all(**variables: Any) -> Callable[[dict[str, Any]], None]:
    return lambda inventory: inventory["vars"].update(variables)


def for_worker(**variables: Any) -> Callable[[dict[str, Any]], None]:
    return lambda inventory: inventory["hosts"]["worker1"].update(variables)


def group(name: str, *hosts: str) -> Callable[[dict[str, Any]], None]:
    return lambda inventory: inventory["children"][name].update(hosts={host: {} for host in hosts})


@dataclass(frozen=True)
class Case:
    name: str
    change: Callable[[dict[str, Any]], None]
    expected: list[str] = field(default_factory=list)


CASES = [
    Case(
        "two brokers",
        group("valkey", "control", "worker1"),
        ["Group 'valkey' must hold at most one host", "control, worker1", "Put one host into 'valkey'"],
    ),
    Case(
        "no database",
        group("postgres"),
        [
            "Group 'postgres' is empty",
            "airflow_database_host of control does not say where",
            "or put one host into the group",
        ],
    ),
    Case(
        "a firewall that lets a name in",
        for_all(airflow_firewall_ui_sources=["office.example.com"]),
        [
            "airflow_firewall_ui_sources (office.example.com)",
            "of control must hold IP addresses and networks",
        ],
    ),
    Case(
        "a queue name with a space",
        for_worker(airflow_worker_queues=["heavy load"]),
        ["airflow_worker_queues of worker1", "heavy load", "for example [default, heavy]"],
    ),
    Case(
        "a concurrency of zero",
        for_worker(airflow_worker_concurrency=0),
        ["airflow_worker_concurrency of worker1 is 0", "1 or more"],
    ),
    Case(
        "a worker monitor timeout of a second",
        for_all(airflow_worker_monitor_timeout=1),
        ["airflow_worker_monitor_timeout of ", " is 1", "5 seconds or more"],
    ),
    Case(
        "a section of options that is not a mapping",
        for_all(airflow_config={"core": "parallelism"}),
        ["airflow_config of ", "section 'core'", "Write it as {section: {option: value}}"],
    ),
    Case(
        "a DAG directory that does not exist",
        for_all(airflow_dags_source="/no/such/directory"),
        ["airflow_dags_source of ", "/no/such/directory", "Create it, or set the variable"],
    ),
    Case(
        "too little memory",
        for_worker(preflight_min_memory_mb=100_000_000),
        ["worker1 has ", "MiB of memory", "preflight_min_memory_mb requires 100000000", "Give it more"],
    ),
    Case(
        "too little disk",
        for_worker(preflight_min_disk_mb=100_000_000),
        ["worker1 has ", "MiB free", "preflight_min_disk_mb requires 100000000", "Free some"],
    ),
    Case(
        "an unsupported release",
        for_worker(ansible_python_interpreter="/root/other-release"),
        ["worker1 runs Debian 10", "Debian 12 and 13 are supported", "Install one of them"],
    ),
    Case(
        "a wrong clock",
        for_worker(ansible_python_interpreter="/root/other-time"),
        ["clock of worker1", "preflight_max_clock_skew allows 5 s", "systemd-timesyncd"],
    ),
    Case(
        "the port of the broker for one host only",
        for_worker(airflow_broker_port=6380),
        [
            "must be the same on all hosts",
            "airflow_broker_port (control: not set, worker1: 6380)",
            "group_vars/all",
        ],
    ),
    Case(
        "a variable that the collection does not read",
        for_all(valkey_port=6380),
        ["valkey_port has no effect, set airflow_broker_port instead (control, worker1)"],
    ),
    Case(
        "an internal variable",
        for_worker(__postgres_clients={"metadata": ["0.0.0.0/0"]}),
        ["__postgres_clients is internal, remove it (worker1)"],
    ),
    Case(
        "a name that does not resolve",
        for_worker(airflow_host_address="no-such-host.invalid"),
        ["'no-such-host.invalid' does not resolve on the controller", "set airflow_host_address"],
    ),
]


@dataclass(frozen=True)
class Outcome:
    results: dict[str, Result]
    changes: dict[str, set[str]]


def state(host: Host) -> set[str]:
    """Return what any change would alter: the change times of files, and the invocation of each unit."""
    files = host.check_output("find /etc /opt /usr /var/lib/dpkg -xdev -printf '%C@ %p\n'")
    properties = "--property=Id,ActiveState,InvocationID"
    units = host.check_output(f"systemctl show {properties} 'airflow*' 'valkey*' 'postgres*'")
    # A timer starts the health check of the workers.
    return {
        *files.splitlines(),
        *(unit for unit in units.split("\n\n") if "airflow-worker-health" not in unit),
    }


@pytest.fixture(scope="module")
def outcome(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run the product with every invalid inventory."""
    worker = cluster.host("worker1")
    worker.check_output(
        "command -v faketime || { apt-get update && apt-get install -qy faketime; } >/dev/null"
    )
    for path, text in WORKER_FILES.items():
        worker.check_output(f"printf %s %s >/root/{path} && chmod 0755 /root/{path}", "%s", text)

    def run(case: Case) -> Result:
        directory: Path = tmp_path_factory.mktemp("inventory")
        inventory = copy.deepcopy(cluster.content)
        case.change(inventory)
        (directory / "hosts.yml").write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
        return run_site(directory / "hosts.yml")

    before = {host.name: state(host) for host in cluster.hosts()}
    with ThreadPoolExecutor(3) as pool:
        results = dict(zip([case.name for case in CASES], pool.map(run, CASES), strict=True))
    return Outcome(results, {host.name: state(host) ^ before[host.name] for host in cluster.hosts()})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_invalid_input_is_reported(outcome: Outcome, case: Case) -> None:
    result = outcome.results[case.name]
    assert result.returncode != 0
    missing = [words for words in case.expected if words not in result.text]
    assert not missing, result.output[-4000:]
    assert set(result.changed.values()) == {0}


def test_invalid_input_changes_nothing(outcome: Outcome) -> None:
    assert outcome.changes == {host: set() for host in outcome.changes}
