"""Bad input stops the run before any host is changed, and says what is wrong, where, and what helps."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib import Host, Lab, Play, play

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Stand-ins for the host's Python: what Ansible asks it comes from another release, or from another time.
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
STAND_INS = {
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
    spoil: Callable[[dict[str, Any]], None]
    said: list[str] = field(default_factory=list)


CASES = [
    Case(
        "two brokers",
        group("valkey", "control", "worker1"),
        ["Group 'valkey' must hold exactly one host", "control, worker1", "Put one host into 'valkey'"],
    ),
    Case(
        "no database",
        group("postgres"),
        ["Group 'postgres' must hold exactly one host", "holds 0", "Put one host into 'postgres'"],
    ),
    Case(
        "a queue with spaces",
        for_worker(airflow_worker_queues=["heavy load"]),
        ["airflow_worker_queues of worker1", "heavy load", "for example [default, heavy]"],
    ),
    Case(
        "no concurrency",
        for_worker(airflow_worker_concurrency=0),
        ["airflow_worker_concurrency of worker1 is 0", "1 or more"],
    ),
    Case(
        "a watch without patience",
        for_all(airflow_fleet_silent_after=1),
        ["airflow_fleet_silent_after of ", " is 1", "5 seconds or more"],
    ),
    Case(
        "options that are no mapping",
        for_all(airflow_config={"core": "parallelism"}),
        ["airflow_config of ", "section 'core'", "Write it as {section: {option: value}}"],
    ),
    Case(
        "no folder of DAGs",
        for_all(airflow_dags_source="/no/such/folder"),
        ["airflow_dags_source of ", "/no/such/folder", "Create it, or set the variable"],
    ),
    Case(
        "too little memory",
        for_worker(preflight_min_memory_mb=100_000_000),
        ["worker1 has ", "MiB of memory", "preflight_min_memory_mb asks for 100000000", "Give it more"],
    ),
    Case(
        "too little disk",
        for_worker(preflight_min_disk_mb=100_000_000),
        ["worker1 has ", "MiB free", "preflight_min_disk_mb asks for 100000000", "Free some"],
    ),
    Case(
        "a release without support",
        for_worker(ansible_python_interpreter="/root/other-release"),
        ["worker1 runs Debian 10", "Debian 12 and 13 are supported", "Install one of them"],
    ),
    Case(
        "a wrong clock",
        for_worker(ansible_python_interpreter="/root/other-time"),
        ["clock of worker1", "preflight_max_clock_skew allows 5", "systemd-timesyncd"],
    ),
]


@dataclass(frozen=True)
class Outcome:
    plays: dict[str, Play]
    changes: dict[str, set[str]]


def state(host: Host) -> set[str]:
    """Give what a change would alter: the stamps of all that is installed and set up, and each unit's run."""
    files = host.check_output("find /etc /opt /usr /var/lib/dpkg -xdev -printf '%C@ %p\n'")
    properties = "--property=Id,ActiveState,InvocationID"
    units = host.check_output(f"systemctl show {properties} 'airflow*' 'valkey*' 'postgres*'")
    # The check of the workers comes and goes by its timer.
    return {*files.splitlines(), *(unit for unit in units.split("\n\n") if "airflow-fleet-check" not in unit)}


@pytest.fixture(scope="module")
def outcome(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run the product on every spoiled inventory."""
    worker = lab.host("worker1")
    worker.check_output(
        "command -v faketime || { apt-get update && apt-get install -qy faketime; } >/dev/null"
    )
    for path, text in STAND_INS.items():
        worker.check_output(f"printf %s %s >/root/{path} && chmod 0755 /root/{path}", "%s", text)

    def run(case: Case) -> Play:
        folder: Path = tmp_path_factory.mktemp("inventory")
        inventory = copy.deepcopy(lab.content)
        case.spoil(inventory)
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
        return play(folder / "hosts.yml")

    before = {host.name: state(host) for host in lab.hosts()}
    with ThreadPoolExecutor(3) as pool:
        plays = dict(zip([case.name for case in CASES], pool.map(run, CASES), strict=True))
    return Outcome(plays, {host.name: state(host) ^ before[host.name] for host in lab.hosts()})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_named(outcome: Outcome, case: Case) -> None:
    done = outcome.plays[case.name]
    assert done.code != 0
    missing = [words for words in case.said if words not in done.text]
    assert not missing, done.output[-4000:]
    assert set(done.changed.values()) == {0}


def test_bad_input_changes_nothing(outcome: Outcome) -> None:
    assert outcome.changes == {host: set() for host in outcome.changes}
