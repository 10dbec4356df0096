"""A restart by the playbook lets running tasks end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import play

if TYPE_CHECKING:
    from testlib import Airflow, Lab


def invocations(lab: Lab) -> dict[tuple[str, str], str]:
    return {(host.name, unit): host.unit(unit)["InvocationID"] for host, unit in lab.units()}


def test_a_changed_worker_option_restarts_the_worker_alone_and_ends_its_tasks_first(
    lab: Lab, airflow: Airflow
) -> None:
    """The tasks run until the unit is told to stop, and six seconds longer: see lab_stop."""
    (worker,) = lab.workers("default")
    before = invocations(lab)
    run = airflow.trigger("lab_stop")
    run.wait_tasks("both tasks to run", lambda tasks: [task.state for task in tasks] == ["running"] * 2)
    try:
        changed = play(lab.inventory, "--extra-vars=airflow_worker_stop_timeout=601").assert_passed()
        tasks = run.wait()
        after = invocations(lab)
        assert worker.unit("airflow-worker")["TimeoutStopUSec"] == "10min 1s"
    finally:
        restored = play(lab.inventory).assert_passed()

    assert {task.task_id: (*task.outcome, task.hostname) for task in tasks} == {
        "bash": ("success", 1, worker.name),
        "python": ("success", 1, worker.name),
    }
    assert {unit for unit in before if before[unit] != after[unit]} == {(worker.name, "airflow-worker")}
    assert changed.changed[worker.name] == restored.changed[worker.name] == 1
