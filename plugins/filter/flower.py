# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: what Flower says of the workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def missing_workers(names: Iterable[str], listed: Mapping[str, bool]) -> list[str]:
    """Return the workers that Flower does not list as online, sorted.

    :param names: inventory names of workers
    :param listed: what Flower's ``/api/workers?status=true`` returns
    """
    return sorted(name for name in names if not listed.get(f"celery@{name}"))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"missing_workers": missing_workers}
