# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: the sources that a firewall lets in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from ansible.errors import AnsibleFilterError


def wrong_networks(sources: Iterable[Any]) -> list[str]:
    """Return those that are neither an IP address nor a network."""
    return [str(source) for source in sources if not is_network(source)]


def is_network(source: Any) -> bool:
    """Return whether ``source`` is an IP address or a network; a number is none."""
    try:
        ipaddress.ip_network(str(source))
    except ValueError:
        return False
    return True


def networks(sources: Iterable[Any]) -> dict[str, list[str]]:
    """Return the sources by family, ``ip`` and ``ip6``, without those that are part of another one.

    nftables refuses a set whose elements overlap. A family without sources is left out.

    :param sources: IP addresses and networks
    :raises AnsibleFilterError: one of them is neither
    """
    listed = list(sources)
    if wrong := wrong_networks(listed):
        raise AnsibleFilterError(f"neither IP addresses nor networks: {', '.join(wrong)}")
    found = [ipaddress.ip_network(str(source)) for source in listed]
    families = {
        "ip": ipaddress.collapse_addresses(net for net in found if isinstance(net, ipaddress.IPv4Network)),
        "ip6": ipaddress.collapse_addresses(net for net in found if isinstance(net, ipaddress.IPv6Network)),
    }
    texts = {family: [str(net) for net in collapsed] for family, collapsed in families.items()}
    return {family: nets for family, nets in texts.items() if nets}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"networks": networks, "wrong_networks": wrong_networks}
