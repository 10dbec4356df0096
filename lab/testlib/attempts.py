"""What really ran, and when, from what the tasks of dags/faults.py wrote on their hosts."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from testlib.wait import wait_for

if TYPE_CHECKING:
    from testlib.airflow import Run
    from testlib.lab import Host, Lab


@dataclass(frozen=True, order=True)
class Attempt:
    """One process that ran a task; the lab's hosts share a clock."""

    begin: float
    end: float
    number: int
    host: str
    pid: int


def beats(host: Host, run: Run) -> list[dict[str, Any]]:
    path = f"/var/tmp/lab-beats/{run.run_id}.jsonl"  # noqa: S108 - on a lab host, where the DAG writes
    return [json.loads(line) for line in host.check_output("! test -e %s || cat %s", path, path).splitlines()]


def attempts(lab: Lab, run: Run) -> dict[str, list[Attempt]]:
    """Give the attempts at each task of a run, in the order of their beginnings."""
    times = defaultdict(list)
    for host in lab.hosts("workers"):
        for line in beats(host, run):
            times[line["task"], line["try"], host.name, line["pid"]].append(line["time"])
    found = defaultdict(list)
    for (task, number, host_name, pid), seen in times.items():
        found[task].append(Attempt(min(seen), max(seen), number, host_name, pid))
    return {task: sorted(tries) for task, tries in found.items()}


def assert_survived(lab: Lab, run: Run, tries: dict[int, int] | None = None) -> dict[str, list[Attempt]]:
    """Assert that each task succeeded on the try given, else the first, and that each try ran once, alone."""
    tasks = run.tasks()
    wanted = {task.map_index: (tries or {}).get(task.map_index, 1) for task in tasks}
    outcomes = {task.map_index: task.outcome for task in tasks}
    assert outcomes == {index: ("success", number) for index, number in wanted.items()}, outcomes
    ran = attempts(lab, run)
    numbers = {task: [attempt.number for attempt in found] for task, found in ran.items()}
    assert numbers == {f"work[{index}]": list(range(1, number + 1)) for index, number in wanted.items()}, ran
    for found in ran.values():
        assert all(first.end < second.begin for first, second in pairwise(found)), found
    return ran


def wait_running(lab: Lab, run: Run, number: int) -> None:
    """Wait until so many tasks of a run really run: a state says it a moment before."""
    wait_for(f"{number} tasks of {run.dag_id} to run", lambda: len(attempts(lab, run)), number.__eq__)
