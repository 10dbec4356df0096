"""A worker crashes; all workers are stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived, faults, record_recovery, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster

HEARTBEAT_TIMEOUT = 20
QUEUED_TIMEOUT = 20
OUTAGE = 4 * QUEUED_TIMEOUT
DETECTION_INTERVAL = 10  # Airflow's default


@pytest.fixture(scope="module", autouse=True)
def short_timeouts(cluster: Cluster) -> Iterator[None]:
    """Make the scheduler miss a task's heartbeat after seconds instead of minutes, and queue a task anew."""
    timeouts = {
        "TASK_INSTANCE_HEARTBEAT_TIMEOUT": HEARTBEAT_TIMEOUT,
        "TASK_QUEUED_TIMEOUT": QUEUED_TIMEOUT,
        "TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": QUEUED_TIMEOUT / 5,
    }
    options = {f"AIRFLOW__SCHEDULER__{name}": str(seconds) for name, seconds in timeouts.items()}
    with faults.changed_environment(cluster.one("schedulers"), "airflow-scheduler", **options):
        yield


def test_a_worker_is_killed_while_a_task_runs(cluster: Cluster, airflow: Airflow) -> None:
    """The task is retried after the heartbeat timeout, on the worker that systemd has restarted.

    The mechanisms are Airflow's heartbeat timeout and the unit's Restart=always. With Restart=no the worker
    stayed down and the task waited for it.
    """
    worker = cluster.host("worker1")
    run = airflow.trigger("lab_worker1", seconds=[60])
    wait_running(cluster, run, 1)
    before = worker.unit("airflow-worker")
    faults.kill(worker, "airflow-worker")
    killed = time.time()
    faults.wait_restarted(worker, "airflow-worker", before)
    run.wait()
    ((first, second),) = assert_survived(cluster, run, {0: 2}).values()
    assert first.end < killed + 1
    assert HEARTBEAT_TIMEOUT - 6 < second.begin - killed < HEARTBEAT_TIMEOUT + DETECTION_INTERVAL + 15
    record_recovery("worker-killed", killed, run)


def test_all_workers_are_stopped(cluster: Cluster, airflow: Airflow) -> None:
    """Fifty tasks wait for four times task_queued_timeout; by default Airflow fails them after three times.

    The mechanisms are num_stuck_in_queued_retries and jwt_leeway. With Airflow's default of two retries the
    tasks had failed when the workers were back. Without leeway they were refused and needed a second try.
    Without the patch stuck_in_queued a task rarely ran twice, for the scheduler queued it when it had begun.
    """
    with faults.stopped("airflow-worker", *cluster.hosts("workers")):
        run = airflow.trigger("lab_fifty", seconds=[0] * 50)
        run.wait_tasks("all queued", lambda tasks: {task.state for task in tasks} == {"queued"})
        time.sleep(OUTAGE)
        waiting = run.tasks()
    fault_end = time.time()
    assert {task.state for task in waiting} <= {"scheduled", "queued"}
    run.wait(timeout=240)
    assert_survived(cluster, run)
    record_recovery("workers-stopped", fault_end, run)
