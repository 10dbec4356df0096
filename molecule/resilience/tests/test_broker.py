"""Valkey is down, or is killed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived, faults, recovered, wait_for, wait_running

if TYPE_CHECKING:
    from testlib import Airflow, Lab

OUTAGE = 25


def messages(lab: Lab, queue: str) -> int:
    """Ask over a connection of its own: none outlives the broker."""
    return lab.broker().queued(queue)


def test_valkey_is_down_when_the_scheduler_starts(lab: Lab, airflow: Airflow) -> None:
    """Tasks wait, and their tries are kept.

    The mechanism is the endless task_publish_retry_policy, which leaves operation_timeout as the one way a
    send can fail. With Celery's own policy all six tasks had failed on their last try when Valkey was back.
    """
    valkey, scheduler = lab.one("valkey"), lab.one("schedulers")
    with faults.stopped("valkey-server", valkey):
        scheduler.check_output("systemctl restart airflow-scheduler")
        started = scheduler.unit("airflow-scheduler")["InvocationID"]
        run = airflow.trigger("lab_six", seconds=[1] * 6)
        time.sleep(OUTAGE)
        waiting = run.tasks()
    mended = time.time()
    run.wait()

    assert {task.state for task in waiting} <= {"scheduled", "queued"}
    assert {task.try_number for task in waiting} <= {0, 1}
    assert scheduler.unit("airflow-scheduler")["InvocationID"] == started
    assert_survived(lab, run)
    recovered("valkey-down", mended, run)


def test_valkey_is_killed(lab: Lab, airflow: Airflow) -> None:
    """Two tasks fill worker1 and two wait in its queue; what waits is there again when Valkey is.

    The mechanism is the append-only file. With Debian's snapshots alone Valkey came back without the two
    messages.
    """
    valkey = lab.one("valkey")
    run = airflow.trigger("lab_worker1_four", seconds=[15, 15, 1, 1])
    wait_running(lab, run, 2)
    wait_for("the other two in the queue", lambda: messages(lab, "host.worker1"), lambda number: number == 2)
    faults.crash(valkey, "valkey-server")
    mended = time.time()
    assert messages(lab, "host.worker1") == 2
    probe = airflow.trigger("lab_one", seconds=[0])
    for each in (probe, run):
        each.wait()
        assert_survived(lab, each)
    recovered("valkey-killed", mended, probe)


@pytest.mark.parametrize("seconds", [(35, 8), (8, 35)], ids=["first", "second"])
def test_valkey_is_killed_while_a_long_task_holds_a_slot(
    lab: Lab, airflow: Airflow, seconds: tuple[int, int]
) -> None:
    """Both slots of worker1 are held when Valkey is killed, then one is set free: either in its turn.

    The mechanism is remember_busy_slots of the worker's module. Without the module a short task waited for
    the long one beside a free slot, whichever of the two slots that was.
    """
    valkey = lab.one("valkey")
    held = airflow.trigger("lab_worker1_two", seconds=seconds)
    wait_running(lab, held, 2)
    faults.crash(valkey, "valkey-server")
    mended = time.time()
    held.wait_tasks("one to end", lambda tasks: any(task.state == "success" for task in tasks))
    short = airflow.trigger("lab_worker1_two", seconds=[0, 0])
    short.wait()
    assert sorted(str(task.state) for task in held.tasks()) == ["running", "success"]
    held.wait()
    for run in (short, held):
        assert_survived(lab, run)
    recovered("valkey-killed-slot-held", mended, short)
