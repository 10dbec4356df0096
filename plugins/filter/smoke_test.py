# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: which workers the smoke test has to run on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

WORKER_FILES = frozenset({"worker.env", "airflow-worker.service"})
DRAINED_FILE = "worker-drained"


def workers_to_test(
    hosts: Collection[str], hostvars: Mapping[str, Mapping[str, Any]], workers: Collection[str]
) -> list[str]:
    """Return the workers whose services are newer than their last smoke test, sorted.

    All workers of ``hosts`` are returned when the services of a control host are newer than its last test.
    Drained workers are not tested.

    :param hosts: hosts whose newer files have been registered as ``__airflow_smoke_test_changed``
    :param workers: the workers of the cluster
    """
    changed, drained, control_changed = set(), set(), False
    for host in hosts:
        lines = hostvars[host]["__airflow_smoke_test_changed"]["stdout_lines"]
        # A warning of sudo may come first.
        files = {Path(line).name for line in lines if line.startswith("/")}
        if DRAINED_FILE in files:
            drained.add(host)
            files.remove(DRAINED_FILE)
        control_changed |= bool(files - WORKER_FILES)
        if files & WORKER_FILES:
            changed.add(host)
    return sorted(set(workers) & (set(hosts) if control_changed else changed) - drained)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"workers_to_test": workers_to_test}
