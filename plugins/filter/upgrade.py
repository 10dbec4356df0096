# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: which version of Airflow runs where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# What readlink prints of the link to the current environment.
LINK = re.compile(r"^/opt/airflow/([0-9.]+)-\S+\s*$", re.MULTILINE)
# What grep prints of a unit file: its path, and the beginning of the line.
LINE = re.compile(r"^\S*/airflow-(\S+)\.service:ExecStart=/opt/airflow/([0-9.]+)-\s*$", re.MULTILINE)


def unit_versions(text: str) -> dict[str, str]:
    """Return the version that each unit starts, from the output of grep over the unit files of a host."""
    return dict(LINE.findall(text))


def other_versions(
    hosts: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    version: str,
    *,
    link: bool = True,
) -> dict[str, list[str]]:
    """Return the versions other than the wanted one of the hosts that have units of such.

    :param hosts: inventory names of hosts that roles/preflight has measured in this run
    :param link: whether the link to the current environment counts like a unit
    """
    found = {}
    for host in hosts:
        text = hostvars[host].get("__preflight_measured", {}).get("stdout", "")
        versions = {*unit_versions(text).values(), *(LINK.findall(text) if link else ())}
        if others := sorted(versions - {version}):
            found[host] = others
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"other_versions": other_versions, "unit_versions": unit_versions}
