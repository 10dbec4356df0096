"""An unhealthy worker is reported, a hung one is restarted, and an outage of the broker restarts none."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from testlib import WORKER_HEALTH, WORKER_MONITOR, assert_survived, faults, wait_for, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster, Host

REPORTED_WITHIN = 60  # NFR-1
WATCHDOG = 60  # WatchdogSec of the worker; its event loop counts as hung after half of it


def wait_reported(cluster: Cluster, start: float, **problems: str) -> None:
    """Wait until each problem is in the monitor's status and journal, and the health check has failed."""
    host = cluster.one("flower")

    def unreported() -> list[str]:
        status, journal = cluster.problems(), host.journal_since(WORKER_MONITOR, start)
        failed = WORKER_HEALTH in host.failed_units()
        return [
            name
            for name, text in problems.items()
            if not (failed and text in status.get(name, "") and f"{name}: {text}" in journal)
        ]

    timeout = start + REPORTED_WITHIN - time.time()
    wait_for(f"reports of {problems}", unreported, lambda names: not names, timeout=timeout)


@contextmanager
def consumer_cancelled(cluster: Cluster, worker: Host, queue: str) -> Iterator[None]:
    """Make a worker stop reading a queue, by Celery's remote control."""
    control = f"airflow celery %s-queue --celery-hostname=celery@{worker.name} --queues={queue}"
    host = cluster.one("schedulers")
    host.check_output(control % "remove")
    try:
        yield
    finally:
        host.check_output(control % "add")


def test_partitioned_and_stalled_workers_are_reported(cluster: Cluster, airflow: Airflow) -> None:
    """One worker cannot be reached; the other one answers every ping and takes no message from its queue.

    The mechanism is the worker monitor. With a timeout of 300 s instead of 20 s nothing was reported in time.
    """
    stalled, partitioned = cluster.host("worker1"), cluster.host("worker2")
    cluster.wait_healthy()
    with (
        consumer_cancelled(cluster, stalled, f"host.{stalled.name}"),
        faults.network_partition(partitioned, faults.BROKER_PORT),
    ):
        start = time.time()
        run = airflow.trigger("lab_worker1", seconds=[1])
        wait_reported(cluster, start, worker1="stalled: took no message", worker2="no heartbeat")
    run.wait()
    assert_survived(cluster, run)
    cluster.wait_healthy()


def test_a_hung_worker_is_reported_and_restarted(cluster: Cluster, airflow: Airflow) -> None:
    """Freeze a worker's main process.

    The mechanism is the unit's WatchdogSec. Without it the worker was reported and stayed frozen.
    """
    worker = cluster.host("worker1")
    before, start = worker.unit("airflow-worker"), time.time()
    faults.kill(worker, "airflow-worker", "STOP")
    wait_reported(cluster, start, worker1="no heartbeat")
    faults.wait_restarted(worker, "airflow-worker", before)
    assert "Watchdog timeout" in worker.journal_since("airflow-worker", start)
    wait_for(
        "recovery in the journal",
        lambda: "worker1: healthy again" in cluster.one("flower").journal_since(WORKER_MONITOR, start),
    )
    cluster.wait_healthy()
    run = airflow.trigger("lab_worker1", seconds=[1])
    run.wait()
    assert_survived(cluster, run)


def test_a_hung_broker_restarts_no_worker(cluster: Cluster, airflow: Airflow) -> None:
    """Freeze Valkey for longer than the watchdog's timeout: it accepts connections and answers nothing.

    The mechanism is that a worker probes the servers it may be waiting for before it counts itself as hung
    (Watchdog.check). Without the probe the watchdog restarted the worker, and its task was lost.
    """
    workers = cluster.hosts("workers")
    before = {worker.name: worker.unit("airflow-worker") for worker in workers}
    run = airflow.trigger("lab_worker1", seconds=[2 * WATCHDOG])
    wait_running(cluster, run, 1)
    start = time.time()
    with faults.frozen(cluster.one("valkey"), "valkey-server"):
        wait_reported(cluster, start, broker="does not answer")
        assert cluster.problems().keys() == {"broker"}
        time.sleep(start + 2 * WATCHDOG - time.time())
    run.wait()
    assert_survived(cluster, run)
    for worker in workers:
        assert worker.unit("airflow-worker")["InvocationID"] == before[worker.name]["InvocationID"], worker
    cluster.wait_healthy()


def test_a_hung_worker_monitor_fails_the_health_check(cluster: Cluster) -> None:
    """Freeze the worker monitor: the health check fails because the status is too old."""
    host, start = cluster.one("flower"), time.time()
    with faults.frozen(host, WORKER_MONITOR):
        wait_for(
            "health check failed",
            host.failed_units,
            lambda failed: WORKER_HEALTH in failed,
            timeout=REPORTED_WITHIN,
        )
        assert "has not written its status" in host.journal_since(WORKER_HEALTH, start)
    cluster.wait_healthy()
