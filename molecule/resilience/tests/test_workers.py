"""A worker crashes or runs out of memory; all workers are stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived, attempts, faults, record_recovery, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster, Host

OUTAGE = 4 * 30  # task_queued_timeout, see molecule.yml
HEARTBEAT_TIMEOUT = 20
DETECTION_INTERVAL = 10  # Airflow's default


def oom_kills(host: Host) -> int:
    """Return how many processes of a host the kernel has killed for lack of memory, with cgroup v1 or v2."""
    files = "/sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events"
    return int(host.check_output(f"cat {files} 2>/dev/null | awk '$1 == \"oom_kill\" {{ print $2 }}'"))


@pytest.fixture
def short_heartbeat_timeout(cluster: Cluster) -> Iterator[None]:
    """Make the scheduler miss a task's heartbeat after seconds instead of minutes."""
    timeout = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT)}
    with faults.changed_environment(cluster.one("schedulers"), "airflow-scheduler", **timeout):
        yield


@pytest.mark.usefixtures("short_heartbeat_timeout")
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


def test_a_task_uses_up_the_memory_of_its_host(cluster: Cluster, airflow: Airflow) -> None:
    """The kernel kills that task only: the worker and its other task continue.

    The mechanism is OOMPolicy=continue. OOMPolicy=stop made no difference on a machine with cgroup v1, where
    the kernel does not notify systemd.
    """
    worker = cluster.host("worker2")
    before, kills = worker.unit("airflow-worker"), oom_kills(worker)
    run = airflow.trigger("lab_worker2_two", seconds=[60, 20], allocating=[0])
    run.wait()
    assert oom_kills(worker) > kills
    assert worker.unit("airflow-worker")["InvocationID"] == before["InvocationID"]
    assert_survived(cluster, run, {0: 2})
    killed = attempts(cluster, run)["work[0]"][0].end
    record_recovery("out-of-memory", killed, run)


def test_all_workers_are_stopped(cluster: Cluster, airflow: Airflow) -> None:
    """Fifty tasks wait for four times task_queued_timeout; by default Airflow fails them after three times.

    The mechanisms are num_stuck_in_queued_retries and jwt_leeway. With Airflow's default of two retries the
    tasks had failed when the workers were back. Without leeway they were refused and needed a second try.
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
