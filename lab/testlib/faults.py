"""Faults to inject; each context manager ends its fault on exit."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING

from testlib.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib.cluster import Cluster
    from testlib.host import Host

BROKER_PORT = 6379
API_PORT = 8080
DATABASE_PORT = 5432


def kill(host: Host, unit: str, signal: str = "KILL") -> None:
    """Send a signal to the main process of a unit."""
    host.check_output("systemctl kill --kill-whom=main --signal=%s %s", signal, unit)


def wait_restarted(host: Host, unit: str, before: dict[str, str]) -> None:
    """Wait until systemd has restarted a unit that had the properties `before`."""
    wait_for(
        f"restart of {unit} on {host.name}",
        lambda: host.unit(unit),
        lambda now: now["ActiveState"] == "active" and now["InvocationID"] != before["InvocationID"],
    )


def crash(host: Host, unit: str) -> None:
    """Kill the main process of a unit and wait until systemd has restarted it."""
    before = host.unit(unit)
    kill(host, unit)
    wait_restarted(host, unit, before)


@contextmanager
def dead(host: Host, unit: str) -> Iterator[None]:
    """Kill all processes of a unit; systemd does not start it again before the exit."""
    try:
        host.configure(unit, {}, "Restart=no\n")
        host.check_output("systemctl kill --signal=KILL %s", unit)
        yield
    finally:
        host.unconfigure()
        host.check_output("systemctl start %s", unit)


@contextmanager
def silent(host: Host, port: int) -> Iterator[None]:
    """Drop the packets that arrive at a port of a host: to its clients the host is switched off."""
    rule = f"INPUT -p tcp --dport {port} -j DROP"
    try:
        host.check_output(f"iptables --wait -I {rule}")
        yield
    finally:
        host.check_output(f"! iptables --wait -C {rule} || iptables --wait -D {rule}")


@contextmanager
def stopped(unit: str, *hosts: Host) -> Iterator[None]:
    """Stop a unit on each of the hosts."""
    try:
        for host in hosts:
            host.check_output("systemctl stop %s", unit)
        yield
    finally:
        for host in hosts:
            host.check_output("systemctl start %s", unit)


@contextmanager
def switched_off(cluster: Cluster, host: Host) -> Iterator[None]:
    """Cut the power of a host; it boots afterwards, and answers when this returns."""
    container = f"lakehouse-{cluster.directory.name}-{host.name}"
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "start", container], check=True, capture_output=True)
    wait_for("host that answers", lambda: answers(host), timeout=60)


def answers(host: Host) -> bool:
    """Return whether a host can be reached."""
    with suppress(Exception):
        return bool(host.run("true").rc == 0)
    return False


@contextmanager
def frozen(host: Host, unit: str) -> Iterator[None]:
    """Freeze the main process of a unit with SIGSTOP: it exists and does nothing."""
    kill(host, unit, "STOP")
    try:
        yield
    finally:
        kill(host, unit, "CONT")


@contextmanager
def dropped(host: Host, matches: list[str]) -> Iterator[None]:
    """Drop the packets of a host that iptables matches; neither side gets an error."""
    rules = [f"{match} -j DROP" for match in matches]
    try:
        for rule in rules:
            host.check_output(f"iptables --wait -I {rule}")
        yield
    finally:
        for rule in rules:
            # After an error above, some of the rules do not exist.
            host.check_output(f"! iptables --wait -C {rule} || iptables --wait -D {rule}")


def network_partition(host: Host, *ports: int) -> AbstractContextManager[None]:
    """Drop the packets between a host and these ports of other hosts."""
    return dropped(
        host,
        [m for port in ports for m in (f"INPUT -p tcp --sport {port}", f"OUTPUT -p tcp --dport {port}")],
    )


def cut_off(host: Host, others: list[Host], *ports: int) -> AbstractContextManager[None]:
    """Drop the packets of these ports between a host and others, not those of clients."""
    match = f"-p tcp -m multiport --ports {','.join(map(str, ports))}"
    sides = (("INPUT", "s"), ("OUTPUT", "d"))
    return dropped(
        host, [f"{chain} {match} -{side} {other.address}" for other in others for chain, side in sides]
    )


@contextmanager
def changed_environment(host: Host, unit: str, **environment: str) -> Iterator[None]:
    """Restart a unit with other values of some variables, and without them on exit."""
    try:
        host.configure(unit, environment)
        host.check_output("systemctl restart %s", unit)
        yield
    finally:
        host.unconfigure()
        host.check_output("systemctl restart %s", unit)
