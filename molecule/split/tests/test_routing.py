"""worker2 reads the queue `heavy` alone, worker1 the default queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testlib import Airflow


def test_each_queue_runs_on_its_worker_alone(airflow: Airflow) -> None:
    runs = [airflow.trigger("lab_queues") for _ in range(3)]
    tasks = [task for run in runs for task in run.wait()]
    assert {task.outcome for task in tasks} == {("success", 1)}
    assert {(task.task_id, task.queue, task.hostname) for task in tasks} == {
        ("light", "default", "worker1"),
        ("heavy", "heavy", "worker2"),
    }
