"""A worker crashes, runs out of memory; all workers are stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived, attempts, faults, recovered, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Host, Lab

OUTAGE = 4 * 30  # task_queued_timeout, see molecule.yml
HEARTBEAT_TIMEOUT = 20
DETECTION_INTERVAL = 10  # Airflow's own


def memory_kills(host: Host) -> int:
    """Give how often the kernel killed a process of this host for its memory, by either kind of cgroup."""
    files = "/sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events"
    return int(host.check_output(f"cat {files} 2>/dev/null | awk '$1 == \"oom_kill\" {{ print $2 }}'"))


@pytest.fixture
def quick_timeout(lab: Lab) -> Iterator[None]:
    """Let the scheduler miss a task's heartbeat after seconds, not after minutes."""
    timeout = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT)}
    with faults.settings(lab.one("schedulers"), "airflow-scheduler", **timeout):
        yield


@pytest.mark.usefixtures("quick_timeout")
def test_a_worker_is_killed_in_the_middle_of_a_task(lab: Lab, airflow: Airflow) -> None:
    """The task is tried again after the heartbeat timeout, on the worker that came back by itself.

    The mechanisms are Airflow's heartbeat timeout and the unit's Restart=always. With Restart=no the worker
    stayed away and the task waited for it.
    """
    worker = lab.host("worker1")
    run = airflow.trigger("lab_worker1", seconds=[60])
    wait_running(lab, run, 1)
    before = worker.unit("airflow-worker")
    faults.kill(worker, "airflow-worker")
    killed = time.time()
    faults.wait_restarted(worker, "airflow-worker", before)
    run.wait()
    ((first, second),) = assert_survived(lab, run, {0: 2}).values()
    assert first.end < killed + 1
    assert HEARTBEAT_TIMEOUT - 6 < second.begin - killed < HEARTBEAT_TIMEOUT + DETECTION_INTERVAL + 15
    recovered("worker-killed", killed, run)


def test_a_task_uses_up_its_hosts_memory(lab: Lab, airflow: Airflow) -> None:
    """The kernel kills the task, and nothing else: the worker and the task beside it go on.

    The mechanism is OOMPolicy=continue. Where OOMPolicy=stop was tried it made no difference: on a machine
    with cgroup v1, where systemd is not told of such kills.
    """
    worker = lab.host("worker2")
    before, kills = worker.unit("airflow-worker"), memory_kills(worker)
    run = airflow.trigger("lab_worker2_two", seconds=[60, 20], hungry=[0])
    run.wait()
    assert memory_kills(worker) > kills
    assert worker.unit("airflow-worker")["InvocationID"] == before["InvocationID"]
    assert_survived(lab, run, {0: 2})
    killed = attempts(lab, run)["work[0]"][0].end
    recovered("out-of-memory", killed, run)


def test_all_workers_are_stopped(lab: Lab, airflow: Airflow) -> None:
    """Fifty tasks wait for four times the queue timeout; three times is where Airflow gives up by itself.

    The mechanisms are num_stuck_in_queued_retries and jwt_leeway. With Airflow's own two retries the tasks
    had failed when the workers came back; with no leeway they were refused and had to be run a second time.
    """
    with faults.stopped("airflow-worker", *lab.hosts("workers")):
        run = airflow.trigger("lab_fifty", seconds=[0] * 50)
        run.wait_tasks("all tasks to be queued", lambda tasks: {task.state for task in tasks} == {"queued"})
        time.sleep(OUTAGE)
        waiting = run.tasks()
    mended = time.time()
    assert {task.state for task in waiting} <= {"scheduled", "queued"}
    run.wait(timeout=240)
    assert_survived(lab, run)
    recovered("workers-stopped", mended, run)
