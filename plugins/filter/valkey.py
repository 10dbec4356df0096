# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: values as Valkey reads them."""

from __future__ import annotations

import re
from typing import Any

# Inside double quotes Valkey unescapes these, in valkey.conf and in valkey-cli's input alike.
ESCAPED = re.compile(r'(["\\])')
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def valkey_quote(value: Any) -> str:
    """Return ``value`` quoted for ``valkey.conf`` and ``valkey-cli``; booleans become ``yes`` and ``no``."""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    text = CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", ESCAPED.sub(r"\\\1", str(value)))
    return f'"{text}"'


def valkey_address(bound: str) -> str:
    """Return where a host itself reaches what listens on an address, as ``bind`` in ``valkey.conf`` has it.

    :param bound: ``-`` before an address means that the host may not have it, ``*`` and ``::*`` all addresses
    """
    address = bound.removeprefix("-")
    return "127.0.0.1" if address in {"*", "0.0.0.0", "::", "::*"} else address  # noqa: S104 - compared


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Map filter names to functions."""
        return {"valkey_address": valkey_address, "valkey_quote": valkey_quote}
