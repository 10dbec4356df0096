"""One Debian 12 host holds every group; what all clusters must do is asked of it by the shared tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import GROUP_UNITS

if TYPE_CHECKING:
    from testlib import Lab


def test_the_host_is_debian_12_and_holds_every_group(lab: Lab) -> None:
    (host,) = lab.hosts()
    assert host.check_output("cat /etc/debian_version").startswith("12.")
    assert all(lab.hosts(group) == [host] for group in GROUP_UNITS)


def test_the_broker_is_valkey_8(lab: Lab) -> None:
    """Debian 12 itself has none: it comes from its backports."""
    assert " v=8." in lab.one("valkey").check_output("valkey-server --version")
