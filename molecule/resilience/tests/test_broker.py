"""Valkey is down, or is killed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived, faults, record_recovery, wait_for, wait_running

if TYPE_CHECKING:
    from testlib import Airflow, Cluster

OUTAGE = 25


def test_valkey_is_down_when_the_scheduler_starts(cluster: Cluster, airflow: Airflow) -> None:
    """Tasks wait and use up no try.

    The mechanism is the endless task_publish_retry_policy: sending a message can then fail with
    operation_timeout only. With Celery's own policy all six tasks had failed on their last try by the time
    Valkey was back.
    """
    valkey, scheduler = cluster.one("valkey"), cluster.one("schedulers")
    with faults.stopped("valkey-server", valkey):
        scheduler.check_output("systemctl restart airflow-scheduler")
        started = scheduler.unit("airflow-scheduler")["InvocationID"]
        run = airflow.trigger("lab_six", seconds=[1] * 6)
        time.sleep(OUTAGE)
        waiting = run.tasks()
    fault_end = time.time()
    run.wait()

    assert {task.state for task in waiting} <= {"scheduled", "queued"}
    assert {task.try_number for task in waiting} <= {0, 1}
    assert scheduler.unit("airflow-scheduler")["InvocationID"] == started
    assert_survived(cluster, run)
    record_recovery("valkey-down", fault_end, run)


def test_valkey_is_killed(cluster: Cluster, airflow: Airflow) -> None:
    """Two tasks run on worker1 and two wait in its queue, which is the same after the restart of Valkey.

    The mechanism is the append-only file. With Debian's snapshots only, the two messages were lost.
    """
    valkey, broker = cluster.one("valkey"), cluster.broker()
    run = airflow.trigger("lab_worker1_four", seconds=[15, 15, 1, 1])
    wait_running(cluster, run, 2)
    wait_for("the other two queued", lambda: broker.llen("host.worker1"), lambda queued: queued == 2)
    faults.crash(valkey, "valkey-server")
    fault_end = time.time()
    assert broker.llen("host.worker1") == 2
    probe = airflow.trigger("lab_one", seconds=[0])
    for each in (probe, run):
        each.wait()
        assert_survived(cluster, each)
    record_recovery("valkey-killed", fault_end, probe)


@pytest.mark.parametrize("seconds", [(35, 8), (8, 35)], ids=["first", "second"])
def test_valkey_is_killed_while_a_long_task_occupies_a_slot(
    cluster: Cluster, airflow: Airflow, seconds: tuple[int, int]
) -> None:
    """Tasks occupy both slots of worker1 when Valkey is killed; then the shorter one ends, in either slot.

    The mechanism is the patch busy_slots. Without the patches a short task waited for the long one although
    the other slot was free, whichever slot that was.
    """
    valkey = cluster.one("valkey")
    occupying = airflow.trigger("lab_worker1_two", seconds=seconds)
    wait_running(cluster, occupying, 2)
    faults.crash(valkey, "valkey-server")
    fault_end = time.time()
    occupying.wait_tasks("one succeeded", lambda tasks: any(task.state == "success" for task in tasks))
    short = airflow.trigger("lab_worker1_two", seconds=[0, 0])
    short.wait()
    assert sorted(str(task.state) for task in occupying.tasks()) == ["running", "success"]
    occupying.wait()
    for run in (short, occupying):
        assert_survived(cluster, run)
    record_recovery("valkey-killed-slot-occupied", fault_end, short)
