# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: what a worker that is drained waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def running_tasks(task_instances: Iterable[Mapping[str, Any]], host: str, now: float) -> list[str]:
    """Return a line for each task instance that runs on a host, the oldest first.

    :param task_instances: as Airflow's REST API returns them
    :param host: inventory name of the host; empty for all, which are named then
    :param now: the time, in seconds since the epoch
    """
    found = []
    for task in task_instances:
        if host in {task["hostname"], ""} and task["start_date"]:
            started = datetime.fromisoformat(task["start_date"]).timestamp()
            seconds = max(0, round(now - started))
            index = f"[{task['map_index']}]" if task["map_index"] >= 0 else ""
            where = "" if host else f"{task['hostname']}: "
            name = f"{where}DAG {task['dag_id']}, task {task['task_id']}{index}, run {task['dag_run_id']}"
            found.append((started, f"{name}: running for {seconds // 60} min {seconds % 60} s"))
    return [line for _started, line in sorted(found)]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the function by filter name."""
        return {"running_tasks": running_tasks}
