# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: which workers the smoke test has to run on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WORKER_FILES = frozenset({"worker.env", "airflow-worker.service"})


def workers_to_test(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], marker: str
) -> list[str]:
    """Return the workers whose services are newer than their last smoke test, sorted.

    All workers are returned when the services of a control host are newer than its last test.

    :param hosts: hosts whose files have been registered as ``__airflow_smoke_test_files``
    :param marker: path of the file that a passed test touches on each host
    """
    workers, changed, control_changed = [], set(), False
    for host in hosts:
        files = {
            file["path"]: file["mtime"] for file in hostvars[host]["__airflow_smoke_test_files"]["files"]
        }
        tested = files.pop(marker, 0.0)
        for path, written in files.items():
            if Path(path).name not in WORKER_FILES:
                control_changed |= written > tested
            elif written > tested:
                changed.add(host)
        if any(Path(path).name in WORKER_FILES for path in files):
            workers.append(host)
    return sorted(workers if control_changed else changed)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"workers_to_test": workers_to_test}
