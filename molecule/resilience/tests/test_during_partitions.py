"""Faults of worker2 and of the broker, while packets of the other workers are dropped without an error.

worker1 reaches nothing for longer than task_instance_heartbeat_timeout, 300 s, and worker3 no API for most
of that time. The last two tests judge these partitions.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING

import pytest
from testlib import Run, assert_survived, attempts, faults, record_recovery, wait_for, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster, Host

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
    worker1, *others = cluster.hosts("workers")
    with faults.stopped("airflow-worker", *others):
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


@dataclass(frozen=True)
class ApiPartition:
    """worker3 is partitioned from the API while each of its slots runs a task."""

    start: float
    run: Run
    end: Timer


@pytest.fixture(scope="module")
def api_partition(
    cluster: Cluster, airflow: Airflow, long_partition: LongPartition
) -> Iterator[ApiPartition]:
    del long_partition
    run = airflow.trigger("lab_worker3_two", seconds=[30, API_PARTITION + 15])
    wait_running(cluster, run, 2)
    with ExitStack() as fault:
        start, end = time.time(), Timer(API_PARTITION, fault.close)
        fault.enter_context(faults.network_partition(cluster.host("worker3"), faults.API_PORT))
        end.start()
        yield ApiPartition(start, run, end)
        end.cancel()


@pytest.fixture
def partitioned_workers(long_partition: LongPartition, api_partition: ApiPartition) -> list[str]:
    del api_partition  # its worker can be reached and is healthy
    return long_partition.workers


def oom_kills(host: Host) -> int:
    """Return how many processes of a host the kernel has killed for lack of memory, with cgroup v1 or v2."""
    files = "/sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events"
    return int(host.check_output(f"cat {files} 2>/dev/null | awk '$1 == \"oom_kill\" {{ print $2 }}'"))


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


@pytest.mark.parametrize("seconds", [(35, 8), (8, 35)], ids=["first", "second"])
def test_valkey_is_killed_while_a_long_task_occupies_a_slot(
    cluster: Cluster, airflow: Airflow, seconds: tuple[int, int]
) -> None:
    """Tasks occupy both slots of worker2 when Valkey is killed; then the shorter one ends, in either slot.

    The mechanism is the patch busy_slots. Without the patches a short task waited for the long one although
    the other slot was free, whichever slot that was.
    """
    valkey = cluster.one("valkey")
    occupying = airflow.trigger("lab_worker2_two", seconds=seconds)
    wait_running(cluster, occupying, 2)
    faults.crash(valkey, "valkey-server")
    fault_end = time.time()
    occupying.wait_tasks("one succeeded", lambda tasks: any(task.state == "success" for task in tasks))
    short = airflow.trigger("lab_worker2_two", seconds=[0, 0])
    short.wait()
    assert sorted(str(task.state) for task in occupying.tasks()) == ["running", "success"]
    occupying.wait()
    for run in (short, occupying):
        assert_survived(cluster, run)
    record_recovery("valkey-killed-slot-occupied", fault_end, short)


def test_a_started_unit_is_a_registered_worker(cluster: Cluster) -> None:
    """A restarted worker answers at once; without a broker its unit is `activating` until the broker is back.

    The mechanism is Type=notify with lakehouse_airflow.watchdog. With Type=exec nothing answered the ping
    after the restart.
    """
    worker = cluster.host("worker2")
    worker.check_output("systemctl restart airflow-worker")
    assert cluster.ping(worker.name)

    with faults.stopped("valkey-server", cluster.one("valkey")):
        worker.check_output("systemctl stop airflow-worker")
        start = time.time()
        worker.check_output("systemctl start --no-block airflow-worker")
        wait_for(
            "worker waiting for its broker",
            lambda: "Trying again" in worker.journal_since("airflow-worker", start),
        )
        assert worker.unit("airflow-worker")["ActiveState"] == "activating"
    wait_for("worker started", lambda: worker.service("airflow-worker").is_running)
    assert cluster.ping(worker.name)


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


def test_short_partition_between_worker_and_api(cluster: Cluster, api_partition: ApiPartition) -> None:
    """Neither the task that ends during the partition nor the one that ends after it is lost.

    The mechanism is the patch api_retries. With Airflow's own 5 attempts and 3 heartbeats both tasks needed
    a second try.
    """
    api_partition.end.join()
    api_partition.run.wait()
    assert_survived(cluster, api_partition.run)
    record_recovery("api-partition", api_partition.start + API_PARTITION, api_partition.run)


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
    assert first.host == "worker1" != second.host
    assert_survived(cluster, long_partition.on_worker1, {0: 2})
    record_recovery("long-partition", fault_end, long_partition.on_worker1)
