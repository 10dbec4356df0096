"""One Debian 12 host is in every group. The shared tests test the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import GROUP_UNITS

if TYPE_CHECKING:
    from testlib import Cluster


def test_the_host_runs_debian_12_and_is_in_every_group(cluster: Cluster) -> None:
    (host,) = cluster.hosts()
    assert host.infra.system_info.codename == "bookworm"
    assert all(cluster.hosts(group) == [host] for group in GROUP_UNITS)


def test_the_broker_is_valkey_8(cluster: Cluster) -> None:
    """Debian 12 has Valkey in its backports only."""
    assert cluster.one("valkey").infra.package("valkey-server").version.startswith("8.")
