"""Valkey is down, or is killed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

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
    run = airflow.trigger("lab_worker1_four", seconds=[30, 30, 1, 1])
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
