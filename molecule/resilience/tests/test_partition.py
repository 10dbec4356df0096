"""A worker is cut off from the API or the broker: packets are dropped, and nobody is told.

The long cut takes longer than task_instance_heartbeat_timeout, 300 s, so the others happen meanwhile.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from testlib import Run, assert_survived, attempts, faults, recovered, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Lab

HEARTBEAT_TIMEOUT = 300
STOP_TIMEOUT = 40  # see molecule.yml
SHORT_CUT = 220
BROKER_CUT = 40


@dataclass(frozen=True)
class LongCut:
    """Both slots of worker1 hold a task, of which one may be run anywhere."""

    since: float
    anywhere: Run
    here: Run
    hosts: list[str]
    end: ExitStack


@pytest.fixture(scope="module")
def long_cut(lab: Lab, airflow: Airflow) -> Iterator[LongCut]:
    worker1, worker2 = lab.host("worker1"), lab.host("worker2")
    with faults.stopped("airflow-worker", worker2):
        anywhere, here = (airflow.trigger(dag_id, seconds=[600]) for dag_id in ("lab_one", "lab_worker1"))
        for run in (anywhere, here):
            wait_running(lab, run, 1)
    with ExitStack() as end:
        since, hosts = time.time(), [worker1.name]
        end.enter_context(faults.cut_off(worker1, faults.API_PORT, faults.BROKER_PORT, faults.DATABASE_PORT))
        end.callback(hosts.clear)
        yield LongCut(since, anywhere, here, hosts, end)


@pytest.fixture
def cut_off(long_cut: LongCut) -> list[str]:
    return long_cut.hosts


def test_a_worker_is_cut_off_from_the_api_for_a_short_time(lab: Lab, airflow: Airflow) -> None:
    """Neither the task that ends meanwhile nor the one that goes on is lost.

    The mechanism is outlast_outages of the worker's module. With Airflow's own 5 attempts and 3 heartbeats
    both tasks had to be run a second time.
    """
    run = airflow.trigger("lab_worker2_two", seconds=[30, SHORT_CUT + 15])
    wait_running(lab, run, 2)
    with faults.cut_off(lab.host("worker2"), faults.API_PORT):
        time.sleep(SHORT_CUT)
    mended = time.time()
    run.wait()
    assert_survived(lab, run)
    recovered("api-cut", mended, run)


def test_a_worker_is_cut_off_from_the_broker(lab: Lab, airflow: Airflow) -> None:
    """What runs there ends; what waits is taken once the network is back.

    The mechanism is kombu's own check of a silent connection. The timeouts in the transport options only make
    it quicker: without all four of them the test passed, with a task run 7 and 14 s after the cut.
    """
    running = airflow.trigger("lab_worker2", seconds=[BROKER_CUT / 2])
    wait_running(lab, running, 1)
    with faults.cut_off(lab.host("worker2"), faults.BROKER_PORT):
        # Valkey may have a message on its way to a worker that asked just before.
        time.sleep(2)
        waiting = airflow.trigger("lab_worker2_two", seconds=[0, 0])
        running.wait()
        # Nothing of the old connection can come back.
        lab.one("valkey").check_output("systemctl restart valkey-server")
        time.sleep(BROKER_CUT / 2)
        assert not attempts(lab, waiting)
        assert {task.state for task in waiting.tasks()} <= {"scheduled", "queued"}
    mended = time.time()
    waiting.wait()
    for run in (running, waiting):
        assert_survived(lab, run)
    recovered("broker-cut", mended, waiting)


def test_a_worker_is_stopped_while_cut_off_from_the_broker(lab: Lab, airflow: Airflow) -> None:
    """The stop ends in time, and so does a task that needs less.

    The mechanism is a finite TimeoutStopSec. With infinity the stop had not ended after 45 s.
    """
    worker = lab.host("worker2")
    run = airflow.trigger("lab_worker2", seconds=[15])
    wait_running(lab, run, 1)
    with faults.cut_off(worker, faults.BROKER_PORT):
        stop = worker.run("timeout %s systemctl stop airflow-worker", str(STOP_TIMEOUT + 5))
    worker.check_output("systemctl start airflow-worker")
    assert stop.succeeded
    run.wait()
    assert_survived(lab, run)


def test_a_worker_is_cut_off_from_all_for_a_long_time(lab: Lab, airflow: Airflow, long_cut: LongCut) -> None:
    """What ran there is dead before it runs elsewhere.

    The mechanism is the limit in outlast_outages. With attempts that outlast any cut the first try was still
    running 12 s after the second had begun.
    """
    left = long_cut.since + HEARTBEAT_TIMEOUT + 60 - time.time()
    long_cut.anywhere.wait(timeout=left)
    assert not airflow.call("GET", long_cut.here.path)["end_date"]
    long_cut.end.close()
    mended = time.time()
    long_cut.here.wait()
    ((first, second),) = assert_survived(lab, long_cut.anywhere, {0: 2}).values()
    assert (first.host, second.host) == ("worker1", "worker2")
    assert_survived(lab, long_cut.here, {0: 2})
    recovered("cut-long", mended, long_cut.here)
