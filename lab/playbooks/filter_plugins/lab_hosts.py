"""Which hosts a lab consists of, which of them do not run, and their inventory."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Host = dict[str, Any]

WORKER = re.compile(r"worker([0-9]+)")


def lab_address(host: Host) -> str:
    return str(host["networks"][0]["ipv4_address"])


def lab_release(host: Host) -> str:
    """Return the Debian release of a host with the image lakehouse-lab:RELEASE."""
    return str(host["image"]).rpartition(":")[2]


def lab_hosts(platforms: list[Host], containers: list[Host], workers: int) -> list[Host]:
    """Return the scenario's hosts, and copies of worker1 for the workers that are wanted or exist already."""
    hosts = list(platforms)
    model = next((host for host in hosts if host["name"] == "worker1"), None)
    if model is None:
        return hosts
    names = [host["name"] for host in hosts]
    present = [
        int(match[1]) for c in containers if (match := WORKER.fullmatch(c["Labels"]["lakehouse.host"]))
    ]
    for number in range(2, max([int(workers), *present]) + 1):
        if f"worker{number}" not in names:
            address = ipaddress.ip_address(lab_address(model)) + number - 1
            network = {**model["networks"][0], "ipv4_address": str(address)}
            hosts.append({**model, "name": f"worker{number}", "networks": [network]})
    return hosts


def lab_missing(hosts: list[Host], containers: list[Host]) -> list[Host]:
    """Return the hosts without a running container."""
    running = {c["Labels"]["lakehouse.host"] for c in containers if c["State"] == "running"}
    return [host for host in hosts if host["name"] not in running]


def lab_other_clones(containers: list[Host], project: str) -> list[str]:
    """Return the clones of the repository, other than this one, that created containers of the lab."""
    clones = {str(c["Labels"].get("lakehouse.clone", "unknown")) for c in containers}
    return sorted(clones - {project})


def lab_subnet(hosts: list[Host]) -> str:
    """Return the /24 network of the hosts."""
    return str(ipaddress.ip_network(f"{lab_address(hosts[0])}/24", strict=False))


def lab_inventory(
    hosts: list[Host], variables: dict[str, Any], host_vars: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return the inventory that a user would write for these hosts."""
    groups: dict[str, Any] = {}
    for host in hosts:
        for group in host["groups"]:
            groups.setdefault(group, {"hosts": {}})["hosts"][host["name"]] = {}
    return {
        "all": {
            "vars": variables,
            "hosts": {
                host["name"]: {
                    "ansible_host": lab_address(host),
                    # Set for each host, because Molecule's own inventory sets "docker" for each.
                    "ansible_connection": "ssh",
                    **host_vars.get(host["name"], {}),
                }
                for host in hosts
            },
            "children": groups,
        }
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "lab_address": lab_address,
            "lab_hosts": lab_hosts,
            "lab_inventory": lab_inventory,
            "lab_missing": lab_missing,
            "lab_other_clones": lab_other_clones,
            "lab_release": lab_release,
            "lab_subnet": lab_subnet,
        }
