"""worker2 reads the queue `heavy` and not the default queue; worker1 the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testlib import Airflow


def test_each_task_runs_on_the_worker_that_reads_its_queue(airflow: Airflow) -> None:
    runs = [airflow.trigger("lab_queues") for _run in range(3)]
    tasks = [task for run in runs for task in run.wait()]
    assert {task.outcome for task in tasks} == {("success", 1)}
    assert {(task.task_id, task.queue, task.hostname) for task in tasks} == {
        ("light", "default", "worker1"),
        ("heavy", "heavy", "worker2"),
    }
