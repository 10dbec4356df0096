"""What a drained worker waits for is shown by DAG, task and age."""

from __future__ import annotations

from typing import Any

from filter.drain import running_tasks


def task(task_id: str, start_date: str | None, **other: Any) -> dict[str, Any]:
    instance = {
        "dag_id": "etl",
        "task_id": task_id,
        "dag_run_id": "run",
        "map_index": -1,
        "hostname": "worker3",
    }
    return instance | {"start_date": start_date} | other


def test_running_tasks_of_a_host_the_oldest_first() -> None:
    tasks = [
        task("load", "1970-01-01T00:10:00Z", map_index=2),
        task("extract", "1970-01-01T00:00:30.5+00:00"),
        task("elsewhere", "1970-01-01T00:00:00Z", hostname="worker1"),
        task("queued", None),
    ]
    assert running_tasks(tasks, "worker3", 665.0) == [
        "DAG etl, task extract, run run: running for 10 min 34 s",
        "DAG etl, task load[2], run run: running for 1 min 5 s",
    ]


def test_running_tasks_of_all_hosts_have_their_names() -> None:
    tasks = [task("load", "1970-01-01T00:10:00Z"), task("queued", None)]
    assert running_tasks(tasks, "", 665.0) == ["worker3: DAG etl, task load, run run: running for 1 min 5 s"]
