"""Invalid input stops the run before a change; the message says what is wrong, where, and the remedy."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib import Cluster, Host, Result, run_site

if TYPE_CHECKING:
    from collections.abc import Callable

# An interpreter for Ansible that sees another time than the host's.
OTHER_TIME = """#!/bin/sh
exec faketime -f +60s /usr/bin/python3 "$@"
"""
INCOMPLETE, MISSING = "incomplete-secrets.yml", "airflow_fernet_key"


def for_worker(**variables: Any) -> Callable[[dict[str, Any]], None]:
    return lambda inventory: inventory["hosts"]["worker1"].update(variables)


def use_no_secrets(inventory: dict[str, Any]) -> None:
    inventory["vars"]["airflow_secrets_file"] += ".missing"


def use_incomplete_secrets(inventory: dict[str, Any]) -> None:
    original = Path(inventory["vars"]["airflow_secrets_file"])
    incomplete = original.with_name(INCOMPLETE)
    incomplete.touch(mode=0o600)
    lines = original.read_text(encoding="utf-8").splitlines(keepends=True)
    incomplete.write_text("".join(line for line in lines if MISSING not in line), encoding="utf-8")
    inventory["vars"]["airflow_secrets_file"] = str(incomplete)


@dataclass(frozen=True)
class Case:
    name: str
    change: Callable[[dict[str, Any]], None]
    expected: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)


UNKNOWN = [
    "There is a cluster already on control",
    MISSING,
    "set airflow_secrets_file to where it is",
]
# Those that need hosts; tests/unit/test_validation.py has the others.
CASES = [
    Case(
        "a concurrency of zero",
        for_worker(airflow_worker_concurrency=0),
        ["airflow_worker_concurrency of worker1 is 0", "1 or more"],
    ),
    Case(
        "a wrong clock",
        for_worker(ansible_python_interpreter="/root/other-time"),
        ["clock of worker1", "preflight_max_clock_skew allows 5 s", "systemd-timesyncd"],
    ),
    Case("no secrets for a cluster that has some", use_no_secrets, [*UNKNOWN, "secrets.yml.missing"]),
    Case(
        "no secrets for a worker of such a cluster",
        use_no_secrets,
        [*UNKNOWN, "secrets.yml.missing"],
        arguments=["--limit=worker1"],
    ),
    Case(
        "a missing secret",
        use_incomplete_secrets,
        [*UNKNOWN, f"{INCOMPLETE} on the controller has no {MISSING}."],
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
    worker.check_output("printf %s %s >/root/other-time && chmod 0755 /root/other-time", "%s", OTHER_TIME)

    def run(case: Case) -> Result:
        directory: Path = tmp_path_factory.mktemp("inventory")
        inventory = copy.deepcopy(cluster.content)
        case.change(inventory)
        (directory / "hosts.yml").write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
        return run_site(directory / "hosts.yml", *case.arguments)

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


def test_no_secret_is_generated_for_a_cluster_that_has_others(cluster: Cluster, outcome: Outcome) -> None:
    """The mechanism is the entry point `secrets` of the role preflight."""
    assert outcome.results
    assert not Path(f"{cluster.secrets_file}.missing").exists()
    incomplete = yaml.safe_load(cluster.secrets_file.with_name(INCOMPLETE).read_text(encoding="utf-8"))
    assert {*incomplete, MISSING} == {*cluster.secrets}
    assert MISSING not in incomplete
