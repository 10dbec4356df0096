"""Faults as they happen to hosts, each undone at the end of its `with`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from testlib.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib.lab import Host

BROKER_PORT = 6379
API_PORT = 8080
DATABASE_PORT = 5432


def kill(host: Host, unit: str, signal: str = "KILL") -> None:
    """Send a unit's main process a signal; by default end it as a crash would."""
    host.check_output("systemctl kill --kill-whom=main --signal=%s %s", signal, unit)


def wait_restarted(host: Host, unit: str, before: dict[str, str]) -> None:
    """Wait until systemd has brought back what ran with these properties."""
    wait_for(
        f"the restart of {unit} on {host.name}",
        lambda: host.unit(unit),
        lambda now: now["ActiveState"] == "active" and now["InvocationID"] != before["InvocationID"],
    )


def crash(host: Host, unit: str) -> None:
    """End a unit's main process and wait until systemd has brought it back."""
    before = host.unit(unit)
    kill(host, unit)
    wait_restarted(host, unit, before)


@contextmanager
def stopped(unit: str, *hosts: Host) -> Iterator[None]:
    try:
        for host in hosts:
            host.check_output("systemctl stop %s", unit)
        yield
    finally:
        for host in hosts:
            host.check_output("systemctl start %s", unit)


@contextmanager
def hung(host: Host, unit: str) -> Iterator[None]:
    """Freeze a unit's main process: it is there and does nothing."""
    kill(host, unit, "STOP")
    try:
        yield
    finally:
        kill(host, unit, "CONT")


@contextmanager
def cut_off(host: Host, *ports: int) -> Iterator[None]:
    """Drop what a host and ports elsewhere send each other: nobody is told, as with a broken network."""
    ways = [
        way for port in ports for way in (f"INPUT -p tcp --sport {port}", f"OUTPUT -p tcp --dport {port}")
    ]
    rules = [f"{way} -j DROP" for way in ways]
    try:
        for rule in rules:
            host.check_output(f"iptables --wait -I {rule}")
        yield
    finally:
        for rule in rules:
            # A rule that was not set yet is none to remove.
            host.check_output(f"! iptables --wait -C {rule} || iptables --wait -D {rule}")


@contextmanager
def settings(host: Host, unit: str, **environment: str) -> Iterator[None]:
    """Restart a unit with other values of some variables, and at the end without them."""
    try:
        host.configure(unit, environment)
        host.check_output("systemctl restart %s", unit)
        yield
    finally:
        host.unconfigure()
        host.check_output("systemctl restart %s", unit)
