"""The firewall follows the inventory, and outlives a reboot and what other programs do with their rules."""

from __future__ import annotations

import copy
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib import run_playbook, wait_for
from testlib.ports import answering, answering_controller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testlib import Cluster, Host

NOBODY = ["192.0.2.0/24", "2001:db8::/32"]
# What a company filters itself.
OTHERS = "table inet company { chain input { type filter hook input priority 0; tcp dport 9999 drop; }; }"


def rules(host: Host, table: str = "lakehouse_airflow") -> str:
    """Return the rules of a table, empty if there is none."""
    return str(host.run("nft list table inet %s", table).stdout)


def answers(cluster: Cluster) -> set[str]:
    """Return who is answered by the API and by the log server of the worker."""
    control, worker = cluster.host("control"), cluster.host("worker1")
    api, logs = (control.address, 8080), (worker.address, 8793)
    outside = answering_controller({api, logs})
    found = {
        "API: controller": api in outside,
        "API: worker": bool(answering(worker, {api})),
        "logs: controller": logs in outside,
        "logs: API server": bool(answering(control, {logs})),
    }
    return {name for name, answered in found.items() if answered}


@dataclass(frozen=True)
class Case:
    name: str
    expected: set[str]
    playbook: str = "hosts"
    arguments: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    before: str = "true"


NORMAL = {"API: controller", "API: worker", "logs: API server"}
# Each starts with what the one before it leaves.
CASES = [
    Case("switched off", {*NORMAL, "logs: controller"}, variables={"airflow_firewall_enabled": False}),
    Case(
        "on, for few, without the worker, which it shuts out",
        {"logs: controller", "logs: API server"},
        variables={"airflow_firewall_ui_sources": NOBODY},
        removed=["worker1"],
    ),
    Case(
        "with the worker, which is let in although the API server is outside of the limit",
        {"API: worker", "logs: API server"},
        "site",
        ["--limit=worker1", "--tags=firewall"],
        {"airflow_firewall_ui_sources": NOBODY},
    ),
    Case(
        "for all, after somebody has deleted its rules",
        NORMAL,
        before="nft delete table inet lakehouse_airflow",
    ),
]


@pytest.fixture
def _rules_of_others(cluster: Cluster) -> Iterator[None]:
    worker = cluster.host("worker1")
    worker.check_output("nft %s", OTHERS)
    others = rules(worker, "company")
    yield
    assert rules(worker, "company") == others
    worker.check_output("nft delete table inet company")


@pytest.mark.usefixtures("_rules_of_others")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_firewall_follows_the_inventory(cluster: Cluster, tmp_path: Path, case: Case) -> None:
    inventory = copy.deepcopy(cluster.content)
    inventory["vars"].update(case.variables)
    for name in case.removed:
        del inventory["hosts"][name]
        for group in inventory["children"].values():
            group["hosts"].pop(name, None)
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")

    worker, control = cluster.host("worker1"), cluster.host("control")
    worker.check_output(case.before)
    run_playbook(path, case.playbook, *case.arguments).assert_success()
    assert answers(cluster) == case.expected
    enabled = inventory["vars"]["airflow_firewall_enabled"]
    assert bool(rules(control)) == control.file("/etc/airflow/firewall.nft").exists == enabled


@pytest.mark.parametrize("command", ["start", "reload", "restart", "stop"])
def test_it_outlives_the_flush_of_nftables_service(cluster: Cluster, command: str) -> None:
    worker = cluster.host("worker1")
    before = rules(worker)
    worker.check_output("systemctl %s nftables", command)
    assert before
    assert rules(worker) == before


def test_it_outlives_a_reboot(cluster: Cluster) -> None:
    worker = cluster.host("worker1")
    before = rules(worker)
    subprocess.run(["docker", "restart", f"lakehouse-{cluster.directory.name}-{worker.name}"], check=True)
    wait_for("SSH after the reboot", lambda: answering_controller({(worker.address, 22)}), bool)
    cluster.wait_healthy()
    assert before
    assert rules(worker) == before
    assert answers(cluster) == NORMAL
