"""playbooks/uninstall.yml with everything on: TLS, firewall, exporters, limits, isolated tasks.

The last file of the scenario: it takes the cluster off its hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib.uninstall import confirmed_uninstall, traces

if TYPE_CHECKING:
    from testlib import Cluster

EXPORTERS = "prometheus-node-exporter prometheus-postgres-exporter prometheus-redis-exporter"
SERVERS = "postgresql-17 valkey-server valkey-tools"


def test_every_host_is_as_it_was(cluster: Cluster) -> None:
    hosts = {host.name: host for host in cluster.hosts()}
    assert all(traces(host) for host in hosts.values())
    confirmed_uninstall(cluster, "--extra-vars=airflow_remove_data=true")
    left = {name: traces(host) for name, host in hosts.items()}
    assert not any(left.values()), left
    for host in hosts.values():
        packages = host.run(f"dpkg-query --show --showformat='${{db:Status-Status}} ' {SERVERS}")
        assert "installed" not in packages.stdout.split()
        assert "active" not in host.run(f"systemctl is-active {EXPORTERS}").stdout.split()
