# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: what the checks of a task found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def failed_messages(checks: Mapping[str, bool], messages: Mapping[str, str]) -> str:
    """Return the messages of the checks that failed, a line each.

    :param checks: whether each check passed, by its name
    :param messages: what to say when it did not; ansible-core from 2.19 on templates only those that are said
    """
    return "\n".join(messages[name] for name, passed in checks.items() if not passed)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"failed_messages": failed_messages}
