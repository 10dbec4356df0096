# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: which groups of the inventory are the groups of the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Groups = Mapping[str, Sequence[str]]
HostVars = Mapping[str, Mapping[str, Any]]
VARIABLE = "airflow_group_names"


def inventory_groups(
    names: Mapping[str, str], groups: Groups, substitutes: Mapping[str, str], excluded: str
) -> dict[str, list[str]]:
    """Return the pattern of hosts for each group of the collection, a list; [] if there is none.

    :param names: the names that the inventory has for the groups of the collection
    :param groups: the hosts of each group of the inventory
    :param substitutes: the group whose hosts do the work of another one that has no hosts
    :param excluded: a group, which may not exist, whose hosts are excluded
    """
    exclusion = [f"!{excluded}"] if excluded in groups else []
    return {
        name: [names[substitute], *exclusion] if names[substitute] in groups else []
        for name in names
        for substitute in [name if groups.get(names[name]) else substitutes.get(name, name)]
    }


def group_hosts(found: Groups, groups: Groups, removed: str) -> dict[str, list[str]]:
    """Return the hosts of each group of the collection, those that the patterns exclude among them.

    :param found: what ``inventory_groups`` returns
    :param groups: the hosts of each group of the inventory
    :param removed: a group, which may not exist, whose hosts are no workers any more
    """
    hosts = {
        name: [host for group in pattern if not group.startswith("!") for host in groups[group]]
        for name, pattern in found.items()
    }
    return {**hosts, "workers": [host for host in hosts["workers"] if host not in groups.get(removed, [])]}


def group_name_errors(
    hosts: Iterable[str], hostvars: HostVars, groups: Groups, known: Iterable[str]
) -> list[str]:
    """Return a sentence for each mistake in ``airflow_group_names``.

    :param hosts: all hosts of the inventory, for each of which it must be the same
    :param groups: the hosts of each group of the inventory
    :param known: the groups of the collection
    """
    set_for: dict[str, str] = {}
    names: Any = {}
    for host in hosts:
        names = hostvars[host].get(VARIABLE) or {}
        set_for.setdefault(str(names), host)
    if len(set_for) > 1:
        values = "; ".join(f"{host}: {value}" for value, host in set_for.items())
        return [f"it is not the same for all hosts of the inventory, set it in group_vars/all ({values})"]
    if not isinstance(names, Mapping):
        return [f"'{names}' is not a mapping"]
    unknown = [
        f"'{name}' is not a group of the collection ({', '.join(known)})"
        for name in names.keys() - set(known)
    ]
    missing = [
        f"'{group}', for {name}, is not a group of the inventory"
        for name, group in names.items()
        if not isinstance(group, str) or group not in groups
    ]
    return sorted(unknown) + missing


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {
            "group_hosts": group_hosts,
            "group_name_errors": group_name_errors,
            "inventory_groups": inventory_groups,
        }
