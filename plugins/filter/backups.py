# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: which backups the retention removes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PARTIAL = ".partial"


def old_backups(paths: Iterable[str], keep: int | str) -> list[str]:
    """Return the backups to remove: all that were interrupted, and of the others all but the newest.

    :param paths: directories of backups, whose names sort by time; an interrupted one ends with ``.partial``
    :param keep: how many stay, at least one
    """
    newest_first = sorted(paths, reverse=True)
    finished = [path for path in newest_first if not path.endswith(PARTIAL)]
    return [*finished[int(keep) :], *(path for path in newest_first if path.endswith(PARTIAL))]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"old_backups": old_backups}
