# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Test plugins: whether a variable or a fact has the shape that it must have."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Without signs, and without the leading zeros that YAML takes for octal.
WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]*")
HASHES = re.compile(r"( --hash=sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128}))+\Z")
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# Names that end in a number are addresses in old notations: 10.1 is 10.0.0.1.
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)*(?!(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?\Z){LABEL}\.?")
# A requirement of PEP 508: name, extras, versions or URL, and a marker, in which no option has room.
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
EXTRAS = rf"(?: ?\[{NAME}(?: ?, ?{NAME})*\])?"
VERSION = r"(?:===|[<>=!~]=|[<>]) ?[A-Za-z0-9.*+!_-]+"
SOURCE = rf"(?: ?@ ?[a-z][a-z+]*://[!-~]+|(?: ?{VERSION}(?: ?, ?{VERSION})*)?)"
REQUIREMENT = re.compile(rf"{NAME}{EXTRAS}{SOURCE}(?: ?; ?[A-Za-z0-9_.'\"<>=!~() ]+)?")

# What would give a user another password or none, and what ends a line of the configuration or its quotes.
UNSAFE_RULE = re.compile(r"[\r\n\"']|(^|\s)[<>#!]|(^|\s)reset(\s|\Z)|nopass", re.IGNORECASE)


def whole_number(value: Any, low: int = 0, high: int | None = None) -> bool:
    """Return whether ``value`` is a whole number from ``low`` to ``high``; a boolean is none.

    :param value: a number, or its digits
    """
    digits = "" if isinstance(value, bool) else str(value)
    return (
        bool(WHOLE_NUMBER.fullmatch(digits)) and low <= int(digits) and (high is None or int(digits) <= high)
    )


def plain_text(value: Any) -> bool:
    """Return whether ``value`` is text of one line, not empty and without control characters."""
    return isinstance(value, str) and bool(value) and not CONTROL.search(value)


def ip_address(value: Any) -> bool:
    """Return whether ``value`` is an IPv4 or IPv6 address, as text."""
    try:
        return isinstance(value, str) and bool(ipaddress.ip_address(value)) and "%" not in value
    except ValueError:
        return False


def loopback(value: Any) -> bool:
    """Return whether a server that listens on ``value`` listens on the loopback interface.

    :param value: an IP address, ``*``, which stands for all of them, or a name
    """
    if not ip_address(value):
        return value in ("*", "localhost")
    address = ipaddress.ip_address(value)
    return address.is_loopback or address.is_unspecified


def host_name(value: Any) -> bool:
    """Return whether ``value`` is a host name."""
    return isinstance(value, str) and bool(HOST_NAME.fullmatch(value))


def host(value: Any) -> bool:
    """Return whether ``value`` is a host name or an IP address."""
    return ip_address(value) or host_name(value)


def requirement(value: Any) -> bool:
    """Return whether ``value`` is a requirement of PEP 508, with hashes or without, and nothing else."""
    return isinstance(value, str) and bool(REQUIREMENT.fullmatch(HASHES.sub("", value, count=1)))


def user_rule(value: Any) -> bool:
    """Return whether ``value`` is a rule of Valkey for a user that leaves his password alone."""
    return not UNSAFE_RULE.search(str(value))


class TestModule:
    """The tests of this file."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        """Return the functions by test name."""
        return {
            "host": host,
            "host_name": host_name,
            "ip_address": ip_address,
            "loopback": loopback,
            "plain_text": plain_text,
            "requirement": requirement,
            "user_rule": user_rule,
            "whole_number": whole_number,
        }
