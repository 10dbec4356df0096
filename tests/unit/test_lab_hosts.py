"""Which hosts a lab consists of, and their inventory."""

from __future__ import annotations

from typing import Any

import lab_hosts
import pytest


def platform(name: str, address: str, *groups: str) -> dict[str, Any]:
    return {"name": name, "groups": list(groups), "networks": [{"name": "lab", "ipv4_address": address}]}


def container(name: str, state: str = "running") -> dict[str, Any]:
    return {"Labels": {"lakehouse.host": name}, "State": state}


PLATFORMS = [platform("control", "198.18.1.10", "flower"), platform("worker1", "198.18.1.101", "workers")]


def names(hosts: list[dict[str, Any]]) -> list[str]:
    return [host["name"] for host in hosts]


@pytest.mark.parametrize(
    ("containers", "workers", "wanted"),
    [
        ([], 1, ["control", "worker1"]),
        ([], 3, ["control", "worker1", "worker2", "worker3"]),
        ([container("worker1"), container("worker3")], 1, ["control", "worker1", "worker2", "worker3"]),
    ],
)
def test_workers_are_added_and_never_removed(
    containers: list[dict[str, Any]], workers: int, wanted: list[str]
) -> None:
    assert names(lab_hosts.lab_hosts(PLATFORMS, containers, workers)) == wanted


def test_an_added_worker_has_the_next_address() -> None:
    assert lab_hosts.lab_address(lab_hosts.lab_hosts(PLATFORMS, [], 2)[-1]) == "198.18.1.102"


def test_a_stopped_host_is_missing() -> None:
    containers = [container("control"), container("worker1", "exited")]
    assert names(lab_hosts.lab_missing(PLATFORMS, containers)) == ["worker1"]


def test_the_containers_of_another_clone_are_told_apart() -> None:
    ours, theirs, old = (container(f"worker{number}") for number in (1, 2, 3))
    ours["Labels"]["lakehouse.clone"] = "/here"
    theirs["Labels"]["lakehouse.clone"] = "/there"
    assert lab_hosts.lab_other_clones([], "/here") == []
    assert lab_hosts.lab_other_clones([ours], "/here") == []
    assert lab_hosts.lab_other_clones([ours, theirs, old], "/here") == ["/there", "unknown"]


def test_the_inventory_holds_groups_addresses_and_host_variables() -> None:
    inventory = lab_hosts.lab_inventory(
        PLATFORMS, {"ansible_user": "deploy"}, {"worker1": {"queue": "heavy"}}
    )
    assert inventory["all"]["vars"] == {"ansible_user": "deploy"}
    assert inventory["all"]["hosts"]["worker1"] == {
        "ansible_host": "198.18.1.101",
        "ansible_connection": "ssh",
        "queue": "heavy",
    }
    assert inventory["all"]["children"]["workers"] == {"hosts": {"worker1": {}}}
