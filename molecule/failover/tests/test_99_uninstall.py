"""playbooks/uninstall.yml on replicated servers.

The last file of the scenario: it takes the cluster off its hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib.uninstall import confirmed_uninstall, traces

if TYPE_CHECKING:
    from testlib import Cluster

PACKAGES = "postgresql-17 patroni etcd-server valkey-server valkey-sentinel haproxy"
DIRECTORIES = (
    "/etc/patroni /etc/etcd /etc/haproxy /etc/valkey /var/lib/etcd/lakehouse /var/lib/postgresql/*/main"
)


def test_every_host_is_as_it_was(cluster: Cluster) -> None:
    hosts = cluster.hosts()
    assert all(traces(host) for host in hosts)
    confirmed_uninstall(cluster, "--extra-vars=airflow_remove_data=true")
    left = {host.name: traces(host) for host in hosts}
    assert not any(left.values()), left
    for host in hosts:
        packages = host.run(f"dpkg-query --show --showformat='${{db:Status-Status}} ' {PACKAGES}")
        assert "installed" not in packages.stdout.split()
        assert host.run(f"ls -d {DIRECTORIES}").stdout == ""
