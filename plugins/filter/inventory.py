# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: what the hosts of a cluster need to know of one another, from the inventory alone."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

HostVars = Mapping[str, Mapping[str, Any]]

# Defaults of the role airflow_worker, to which a unit test holds them equal.
DEFAULT_QUEUES = ("default",)
DEFAULT_STOP_TIMEOUT = 600
# What the role preflight registers on its first contact with a host.
CONTACTED = "__preflight_facts"
REMEDY = "set airflow_host_address of that host to the IP address at which the other hosts reach it"
# Names alone: the resolver also takes "0" and "10.1" for addresses.
HOST_NAME = re.compile(r"(?:[A-Za-z0-9_-]+\.)*(?![0-9]+\Z|0[xX])[A-Za-z0-9_-]+\.?")
SECRET_ENDINGS = ("_password", "_key", "_secret")


def is_ip_address(text: str) -> bool:
    """Return whether ``text`` is an IPv4 or IPv6 address."""
    try:
        return bool(ipaddress.ip_address(text)) and "%" not in text
    except ValueError:
        return False


def found_addresses(name: str) -> list[str]:
    """Return the addresses of a host name, looked up on the controller.

    :raises OSError: it does not resolve
    """
    if not HOST_NAME.fullmatch(name):
        raise OSError("it is not a host name")
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


def ip_address(name: str) -> str:
    """Return the IP address of a host, looked up on the controller; an address is returned as it is.

    :param name: an IP address or a host name
    :raises AnsibleFilterError: the name does not resolve on the controller, or is not the address of one host
    """
    text = str(name)
    try:
        if not is_ip_address(text):
            # IPv4 first: what listens on 0.0.0.0 answers there.
            text = min(found_addresses(text), key=lambda address: ":" in address)
    except OSError as error:
        raise AnsibleFilterError(
            f"'{name}' does not resolve on the controller ({error}); {REMEDY}"
        ) from error
    address = ipaddress.ip_address(text)
    if address.is_unspecified or address.is_multicast:
        raise AnsibleFilterError(f"'{name}' is not the address of one host; {REMEDY}")
    return str(address)


def address_errors(name: str) -> list[str]:
    """Return why a name or an address does not lead to one host; empty if it does."""
    try:
        ip_address(name)
    except AnsibleFilterError as error:
        return [error.message]
    return []


def host_address(host: str, hostvars: HostVars) -> str:
    """Return the address at which other hosts reach ``host``, by default its inventory address."""
    variables = hostvars[host]
    return ip_address(variables.get("airflow_host_address") or variables.get("ansible_host") or host)


def addresses(hosts: Iterable[str], hostvars: HostVars) -> list[str]:
    """Return the addresses of ``hosts``, sorted, each once."""
    return sorted({host_address(host, hostvars) for host in hosts})


def host_addresses(hosts: Iterable[str], hostvars: HostVars) -> dict[str, str]:
    """Return the address of each of ``hosts``, sorted by their names."""
    return {host: host_address(host, hostvars) for host in sorted(hosts)}


def hosts_entries(hosts: Iterable[str], hostvars: HostVars, name: str | None = None) -> list[str]:
    """Return the lines of ``/etc/hosts`` for ``hosts``, sorted.

    :param name: the name of each of them; by default its inventory name, unless that is an address
    """
    return [
        f"{host_address(host, hostvars)} {name or host}"
        for host in sorted(hosts)
        if name or not is_ip_address(host)
    ]


def worker_queue(name: str) -> str:
    """Return the queue that only the worker ``name`` reads."""
    return f"host.{name}"


def worker_name(host: str, instance: str = "") -> str:
    """Return the name of a worker: that of its host, or where a host runs several, one made of both."""
    return f"{host}.{instance}" if instance else host


def worker_names(hosts: Iterable[str], hostvars: HostVars) -> dict[str, list[str]]:
    """Return the names of the workers of each host."""
    return {
        host: [
            worker_name(host, instance)
            for instance in ("", *(hostvars[host].get("airflow_worker_instances") or {}))
        ]
        for host in sorted(hosts)
    }


def worker_queues(hosts: Iterable[str], hostvars: HostVars) -> dict[str, list[str]]:
    """Return the queues that each worker reads, its own queue included."""
    queues = {}
    for host in sorted(hosts):
        queues[host] = hostvars[host].get("airflow_worker_queues") or DEFAULT_QUEUES
        for instance, settings in (hostvars[host].get("airflow_worker_instances") or {}).items():
            queues[worker_name(host, instance)] = settings["queues"]
    return {name: [*found, worker_queue(name)] for name, found in queues.items()}


def longest_stop_timeout(hosts: Iterable[str], hostvars: HostVars) -> int:
    """Return for how many seconds a worker of these hosts that is stopped waits for its tasks, at most."""
    timeouts: list[int | str] = [0]
    for host in hosts:
        instances = hostvars[host].get("airflow_worker_instances") or {}
        timeouts += [
            hostvars[host].get("airflow_worker_stop_timeout", DEFAULT_STOP_TIMEOUT),
            *(settings["stop_timeout"] for settings in instances.values() if "stop_timeout" in settings),
        ]
    return max(map(int, timeouts))


def answered(variables: Mapping[str, Any]) -> bool:
    """Return whether a host with these variables has answered in this run."""
    result = variables.get(CONTACTED)
    return result is not None and not result.get("unreachable", False)


def reachable(hosts: Iterable[str], hostvars: HostVars) -> list[str]:
    """Return the hosts that have answered in this run, sorted; all of them if it has asked none."""
    names = sorted(hosts)
    if all(CONTACTED not in hostvars[host] for host in names):
        return names
    return [host for host in names if answered(hostvars[host])]


def outside_limit(hosts: Iterable[str], hostvars: HostVars) -> list[str]:
    """Return the hosts that are not part of this run, sorted: it has not tried to contact them."""
    return [host for host in sorted(hosts) if CONTACTED not in hostvars[host]]


def left_out(hosts: Iterable[str], hostvars: HostVars) -> list[str]:
    """Return a sentence for each host that a run has left out."""
    return [
        f"{host} ({'failed, see its error above' if answered(hostvars[host]) else 'unreachable'})"
        for host in sorted(hosts)
    ]


def differing_variables(
    shared: Iterable[Mapping[str, Sequence[str]]], hostvars: HostVars, groups: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return a sentence for each variable that must be the same on some hosts and is not.

    :param shared: the variables in ``variables``, and in ``groups`` those that read them
    :param groups: the hosts of each group; a host that does not set a variable has its default
    """
    found = []
    for entry in shared:
        hosts = sorted({host for group in entry["groups"] for host in groups[group]})
        for name in entry["variables"]:
            values = {host: hostvars[host].get(name) for host in hosts}
            if len({str(value) for value in values.values()}) > 1:
                secret = name.endswith(SECRET_ENDINGS)
                shown = (
                    f"{host}: {'not set' if value is None else 'set' if secret else value}"
                    for host, value in values.items()
                )
                found.append(f"{name} ({', '.join(shown)})")
    return found


def unnamed_servers(servers: Iterable[Mapping[str, Any]], hostvars: HostVars) -> list[str]:
    """Return a sentence for each server that some hosts connect to by a name that leads nowhere.

    :param servers: each has a ``title``, a ``group`` without hosts, the ``variables`` that name the server,
        their ``default`` and ``clients``, the hosts that connect
    """
    found = []
    for server in servers:
        default, names = server["default"], server["variables"]
        hosts = [
            host
            for host in sorted(server["clients"])
            if next((hostvars[host][name] for name in names if name in hostvars[host]), default) == default
        ]
        if hosts:
            found.append(
                f"Group '{server['group']}' is empty, and {names[0]} of {', '.join(hosts)} does not say where"
                f" the {server['title']} is."
            )
    return found


def refused_variables(
    hosts: Iterable[str], hostvars: HostVars, prefixes: Sequence[str], replaced: Mapping[str, str]
) -> list[str]:
    """Return a sentence for each variable that the inventory sets and the collection would ignore.

    :param prefixes: how the names of internal variables start
    :param replaced: what to set instead, by name
    """
    found: dict[str, list[str]] = {}
    for host in hosts:
        for name in hostvars[host]:
            if name in replaced:
                found.setdefault(f"{name} has no effect, set {replaced[name]} instead", []).append(host)
            elif name.startswith(tuple(prefixes)):
                found.setdefault(f"{name} is internal, remove it", []).append(host)
    return [f"{sentence} ({', '.join(names)})" for sentence, names in sorted(found.items())]


def unset_variables(names: Iterable[str], hosts: Iterable[str], hostvars: HostVars) -> list[str]:
    """Return the names of the variables that no host sets."""
    found = {name for host in hosts for name in hostvars[host]}
    return [name for name in names if name not in found]


def exporter_hosts(candidates: Mapping[str, Iterable[str]], hostvars: HostVars) -> dict[str, list[str]]:
    """Return the hosts that run each exporter, by its name.

    :param candidates: the hosts that could run it
    :param hostvars: the variables of hosts, of which ``airflow_exporters`` lists those that a host is to run
    """
    return {
        name: [
            host
            for host in hosts
            if host in hostvars and name in (hostvars[host].get("airflow_exporters") or [])
        ]
        for name, hosts in candidates.items()
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {
            "address_errors": address_errors,
            "addresses": addresses,
            "differing_variables": differing_variables,
            "exporter_hosts": exporter_hosts,
            "host_addresses": host_addresses,
            "hosts_entries": hosts_entries,
            "ip_address": ip_address,
            "left_out": left_out,
            "longest_stop_timeout": longest_stop_timeout,
            "outside_limit": outside_limit,
            "reachable": reachable,
            "refused_variables": refused_variables,
            "unnamed_servers": unnamed_servers,
            "unset_variables": unset_variables,
            "worker_name": worker_name,
            "worker_names": worker_names,
            "worker_queue": worker_queue,
            "worker_queues": worker_queues,
        }
