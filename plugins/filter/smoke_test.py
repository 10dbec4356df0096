# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: which workers the smoke test has to run on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

# Of the one worker that each host has, and of others.
WORKER_FILE = re.compile(r"worker(@.+)?\.env|airflow-worker(@.+)?\.service")


def workers_to_test(
    hosts: Collection[str], hostvars: Mapping[str, Mapping[str, Any]], workers: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the workers of hosts whose services are newer than their last smoke test, sorted.

    All workers of ``hosts`` are returned when the services of a control host are newer than its last test.

    :param hosts: hosts whose newer files have been registered as ``__airflow_smoke_test_changed``
    :param workers: the names of the workers of each host
    """
    changed, control_changed = set(), False
    for host in hosts:
        lines = hostvars[host]["__airflow_smoke_test_changed"]["stdout_lines"]
        # A warning of sudo may come first.
        for name in (Path(line).name for line in lines if line.startswith("/")):
            if WORKER_FILE.fullmatch(name):
                changed.add(host)
            else:
                control_changed = True
    tested = set(workers) & (set(hosts) if control_changed else changed)
    return sorted(chain.from_iterable(workers[host] for host in tested))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"workers_to_test": workers_to_test}
