"""A worker that is stopped finishes its running tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower


def test_a_stopped_worker_finishes_its_tasks_first(
    cluster: Cluster, airflow: Airflow, flower: Flower
) -> None:
    """Stop a worker while a Bash and a Python task run: both succeed there on the first try.

    The mechanism is the unit's KillMode=mixed. With systemd's default, control-group, the tasks get the
    signal too, and the Bash task fails.
    """
    (worker,) = cluster.workers("default")
    run = airflow.trigger("lab_stop")
    try:
        run.wait_tasks("both tasks running", lambda tasks: [task.state for task in tasks] == ["running"] * 2)
        worker.check_output("systemctl stop --no-block airflow-worker")
        wait_for(
            "worker stopped",
            lambda: worker.unit("airflow-worker"),
            lambda unit: unit["ActiveState"] in {"inactive", "failed"},
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
