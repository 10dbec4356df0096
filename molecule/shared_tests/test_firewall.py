"""With the firewall on, a port of the cluster answers the hosts that need it, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib.ports import Target, answering, answering_controller, listening

if TYPE_CHECKING:
    from testlib import Cluster, Host

EVERYBODY = {"webservers": 8080, "flower": 5555}
SSH = 22
# Who needs what, by groups.
CLIENTS = {
    ("postgres", 5432): ["schedulers", "dag_processors", "triggerers", "webservers", "workers"],
    ("valkey", 6379): ["schedulers", "flower", "workers"],
    ("workers", 8793): ["webservers"],
    ("triggerers", 8794): ["webservers"],
}
# The exporters of metrics, for Prometheus.
METRICS = {9100, 9121, 9187}


@pytest.fixture(scope="module", autouse=True)
def _firewall(cluster: Cluster) -> None:
    if not cluster.variable("airflow_firewall_enabled", default=False):
        pytest.skip("the scenario has no firewall")


def members(cluster: Cluster) -> list[Host]:
    """Return the hosts that run services of the collection."""
    return list({host.name: host for host, _unit in cluster.units()}.values())


def open_ports(cluster: Cluster, host: Host) -> set[Target]:
    """Return what answers everybody."""
    return {
        (host.address, port)
        for port in [SSH, *(port for group, port in EVERYBODY.items() if host in cluster.hosts(group))]
    }


def needed_ports(cluster: Cluster, source: Host) -> set[Target]:
    """Return what a host of the cluster needs of others."""
    return {
        (host.address, port)
        for (group, port), clients in CLIENTS.items()
        if any(source in cluster.hosts(client) for client in clients)
        for host in cluster.hosts(group)
        if host is not source
    }


def test_outside_of_the_cluster_nothing_answers_but_ssh_the_ui_and_flower(cluster: Cluster) -> None:
    for host in members(cluster):
        ports = listening(host)
        assert answering_controller(ports) == open_ports(cluster, host), host
        if host in cluster.hosts("workers"):
            assert (host.address, 8793) in ports


def test_a_host_reaches_what_it_needs_and_nothing_else(cluster: Cluster) -> None:
    hosts = members(cluster)
    ports = {host.name: listening(host) for host in hosts}
    prometheus = cluster.variable("airflow_firewall_metrics_sources", [])
    for source in cluster.hosts():
        others = [host for host in hosts if host is not source]
        targets = {port for host in others for port in ports[host.name]}
        expected = needed_ports(cluster, source).union(*(open_ports(cluster, host) for host in others))
        if source.address in prometheus:
            expected |= {target for target in targets if target[1] in METRICS}
        assert answering(source, targets) == expected, source
