"""Which processes ran a task, and when, from the heartbeats that the tasks of dags/faults.py write."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from testlib.wait import wait_for

if TYPE_CHECKING:
    from testlib.airflow_api import Run
    from testlib.cluster import Cluster
    from testlib.host import Host


@dataclass(frozen=True, order=True)
class Attempt:
    """One process that ran a task; the lab's hosts share a clock."""

    begin: float
    end: float
    number: int
    host: str
    pid: int


def heartbeats(host: Host, run: Run) -> list[dict[str, Any]]:
    path = f"/var/tmp/lab-heartbeats/{run.run_id}.jsonl"  # noqa: S108 - on a lab host, where the DAG writes
    return [json.loads(line) for line in host.check_output("! test -e %s || cat %s", path, path).splitlines()]


def attempts(cluster: Cluster, run: Run) -> dict[str, list[Attempt]]:
    """Return the attempts at each task of a run, in the order in which they began."""
    times = defaultdict(list)
    for host in cluster.hosts("workers"):
        for line in heartbeats(host, run):
            times[line["task"], line["try"], host.name, line["pid"]].append(line["time"])
    found = defaultdict(list)
    for (task, number, host_name, pid), seen in times.items():
        found[task].append(Attempt(min(seen), max(seen), number, host_name, pid))
    return {task: sorted(tries) for task, tries in found.items()}


def assert_survived(
    cluster: Cluster, run: Run, tries: dict[int, int] | None = None
) -> dict[str, list[Attempt]]:
    """Assert that each task succeeded on its try in `tries`, else the first, and that no tries overlap."""
    tasks = run.tasks()
    wanted = {task.map_index: (tries or {}).get(task.map_index, 1) for task in tasks}
    outcomes = {task.map_index: task.outcome for task in tasks}
    assert outcomes == {index: ("success", number) for index, number in wanted.items()}, outcomes
    ran = attempts(cluster, run)
    numbers = {task: [attempt.number for attempt in found] for task, found in ran.items()}
    assert numbers == {f"work[{index}]": list(range(1, number + 1)) for index, number in wanted.items()}, ran
    for found in ran.values():
        assert all(first.end < second.begin for first, second in pairwise(found)), found
    return ran


def wait_running(cluster: Cluster, run: Run, number: int) -> None:
    """Wait until that many tasks of a run execute; their state says `running` a moment earlier."""
    wait_for(f"{number} tasks of {run.dag_id} running", lambda: len(attempts(cluster, run)), number.__eq__)
