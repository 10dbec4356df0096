"""A restart by the playbook lets running tasks finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import run_site

if TYPE_CHECKING:
    from testlib import Airflow, Cluster


def invocations(cluster: Cluster) -> dict[tuple[str, str], str]:
    return {(host.name, unit): host.unit(unit)["InvocationID"] for host, unit in cluster.units()}


def test_a_changed_worker_option_restarts_only_the_worker_after_its_tasks(
    cluster: Cluster, airflow: Airflow
) -> None:
    """The tasks of lab_stop run until six seconds after the unit began to stop."""
    (worker,) = cluster.workers("default")
    before = invocations(cluster)
    run = airflow.trigger("lab_stop")
    run.wait_tasks("both tasks running", lambda tasks: [task.state for task in tasks] == ["running"] * 2)
    try:
        changed = run_site(cluster.inventory, "--extra-vars=airflow_worker_stop_timeout=601").assert_success()
        tasks = run.wait()
        after = invocations(cluster)
        assert worker.unit("airflow-worker")["TimeoutStopUSec"] == "10min 1s"
    finally:
        restored = run_site(cluster.inventory).assert_success()

    assert {task.task_id: (*task.outcome, task.hostname) for task in tasks} == {
        "bash": ("success", 1, worker.name),
        "python": ("success", 1, worker.name),
    }
    assert {unit for unit in before if before[unit] != after[unit]} == {(worker.name, "airflow-worker")}
    # Its files, its restart, and the marker of its smoke test.
    assert changed.changed[worker.name] == restored.changed[worker.name] == 3
