"""A network partition between a worker and the API or the broker: packets are dropped without an error.

The long partition outlasts task_instance_heartbeat_timeout, 300 s, so the other tests run during it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from testlib import Run, assert_survived, attempts, faults, record_recovery, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster

HEARTBEAT_TIMEOUT = 300
STOP_TIMEOUT = 40  # see molecule.yml
API_PARTITION = 220
BROKER_PARTITION = 40


@dataclass(frozen=True)
class LongPartition:
    """worker1 is partitioned while each of its slots runs a task; one of the two may run on any worker."""

    start: float
    on_any_worker: Run
    on_worker1: Run
    workers: list[str]
    end: ExitStack


@pytest.fixture(scope="module")
def long_partition(cluster: Cluster, airflow: Airflow) -> Iterator[LongPartition]:
    worker1, worker2 = cluster.host("worker1"), cluster.host("worker2")
    with faults.stopped("airflow-worker", worker2):
        on_any_worker = airflow.trigger("lab_one", seconds=[600])
        on_worker1 = airflow.trigger("lab_worker1", seconds=[600])
        for run in (on_any_worker, on_worker1):
            wait_running(cluster, run, 1)
    with ExitStack() as end:
        start, workers = time.time(), [worker1.name]
        ports = (faults.API_PORT, faults.BROKER_PORT, faults.DATABASE_PORT)
        end.enter_context(faults.network_partition(worker1, *ports))
        end.callback(workers.clear)
        yield LongPartition(start, on_any_worker, on_worker1, workers, end)


@pytest.fixture
def partitioned_workers(long_partition: LongPartition) -> list[str]:
    return long_partition.workers


def test_short_partition_between_worker_and_api(cluster: Cluster, airflow: Airflow) -> None:
    """Neither the task that ends during the partition nor the one that ends after it is lost.

    The mechanism is the patch api_retries. With Airflow's own 5 attempts and 3 heartbeats both tasks needed
    a second try.
    """
    run = airflow.trigger("lab_worker2_two", seconds=[30, API_PARTITION + 15])
    wait_running(cluster, run, 2)
    with faults.network_partition(cluster.host("worker2"), faults.API_PORT):
        time.sleep(API_PARTITION)
    fault_end = time.time()
    run.wait()
    assert_survived(cluster, run)
    record_recovery("api-partition", fault_end, run)


def test_partition_between_worker_and_broker(cluster: Cluster, airflow: Airflow) -> None:
    """The running task ends; the waiting ones start after the partition.

    The mechanism is kombu's check of a silent connection. The timeouts in the transport options only make it
    faster: without all four of them the tasks started 7 and 14 s after the partition.
    """
    running = airflow.trigger("lab_worker2", seconds=[BROKER_PARTITION / 2])
    wait_running(cluster, running, 1)
    with faults.network_partition(cluster.host("worker2"), faults.BROKER_PORT):
        # Valkey may still be sending a message to a worker that asked just before.
        time.sleep(2)
        waiting = airflow.trigger("lab_worker2_two", seconds=[0, 0])
        running.wait()
        # So that the worker's old connection cannot go on after the partition.
        cluster.one("valkey").check_output("systemctl restart valkey-server")
        time.sleep(BROKER_PARTITION / 2)
        assert not attempts(cluster, waiting)
        assert {task.state for task in waiting.tasks()} <= {"scheduled", "queued"}
    fault_end = time.time()
    waiting.wait()
    for run in (running, waiting):
        assert_survived(cluster, run)
    record_recovery("broker-partition", fault_end, waiting)


def test_a_worker_is_stopped_during_a_partition_from_the_broker(cluster: Cluster, airflow: Airflow) -> None:
    """The stop ends within its timeout, and a task that needs less time succeeds.

    The mechanism is a finite TimeoutStopSec. With infinity the stop had not ended after 45 s.
    """
    worker = cluster.host("worker2")
    run = airflow.trigger("lab_worker2", seconds=[15])
    wait_running(cluster, run, 1)
    with faults.network_partition(worker, faults.BROKER_PORT):
        stop = worker.run("timeout %s systemctl stop airflow-worker", str(STOP_TIMEOUT + 5))
    worker.check_output("systemctl start airflow-worker")
    assert stop.succeeded
    run.wait()
    assert_survived(cluster, run)


def test_long_partition_between_worker_and_everything(
    cluster: Cluster, airflow: Airflow, long_partition: LongPartition
) -> None:
    """The first try of a task has ended before its second try starts on another worker.

    The mechanism is the time limit in the patch api_retries. With attempts that outlast any partition the
    first try was still running 12 s after the second had started.
    """
    timeout = long_partition.start + HEARTBEAT_TIMEOUT + 60 - time.time()
    long_partition.on_any_worker.wait(timeout=timeout)
    assert not airflow.call("GET", long_partition.on_worker1.path)["end_date"]
    long_partition.end.close()
    fault_end = time.time()
    long_partition.on_worker1.wait()
    ((first, second),) = assert_survived(cluster, long_partition.on_any_worker, {0: 2}).values()
    assert (first.host, second.host) == ("worker1", "worker2")
    assert_survived(cluster, long_partition.on_worker1, {0: 2})
    record_recovery("long-partition", fault_end, long_partition.on_worker1)
