"""A stop lets running tasks end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Flower, Lab


def test_a_stopped_worker_ends_its_tasks_first(lab: Lab, airflow: Airflow, flower: Flower) -> None:
    """Stop a worker during a Bash and a Python task: both succeed there on try 1, and only then it has ended.

    The mechanism is the unit's KillMode=mixed. With systemd's default, control-group, the tasks get the
    signal too, and this test fails: the Bash task does not survive it.
    """
    (worker,) = lab.workers("default")
    run = airflow.trigger("lab_stop")
    try:
        run.wait_tasks("both tasks to run", lambda tasks: [task.state for task in tasks] == ["running"] * 2)
        worker.check_output("systemctl stop --no-block airflow-worker")
        wait_for(
            "the worker's end",
            lambda: worker.unit_state("airflow-worker"),
            {"inactive", "failed"}.__contains__,
        )
        tasks, unit = run.tasks(), worker.unit("airflow-worker")
    finally:
        worker.check_output("systemctl start airflow-worker")
    flower.wait_online(worker.name)

    assert {task.task_id: (*task.outcome, task.hostname) for task in tasks} == {
        "bash": ("success", 1, worker.name),
        "python": ("success", 1, worker.name),
    }
    assert (unit["Result"], unit["ExecMainStatus"]) == ("success", "0")
    ended = int(unit["InactiveEnterTimestamp"].removeprefix("@"))
    assert all(task.end and int(task.end.timestamp()) <= ended for task in tasks)
