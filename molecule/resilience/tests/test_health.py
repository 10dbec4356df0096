"""A worker that is not well is reported, a hung one is ended, and the broker's absence ends nobody."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from testlib import WATCH_CHECK, assert_survived, faults, wait_for, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Host, Lab

REPORTED_WITHIN = 60  # NFR-1
WATCHDOG = 60  # WatchdogSec of the worker; a loop counts as standing after half of it


def journal_since(host: Host, unit: str, start: float) -> str:
    return host.check_output("journalctl --no-pager -o cat --since=@%s -u %s", str(int(start)), unit)


def wait_reported(lab: Lab, start: float, **wanted: str) -> None:
    """Wait until each worker's problem is in the state of the fleet, in the journal and a failed unit."""
    host, names = lab.one("flower"), {name.replace("_", " "): text for name, text in wanted.items()}

    def unreported() -> list[str]:
        found, journal = lab.problems(), journal_since(host, "airflow-fleet", start)
        said = {
            name: text in found.get(name, "") and f"{name}: {text}" in journal for name, text in names.items()
        }
        failed = WATCH_CHECK in host.failed_units()
        return [name for name in said if not (said[name] and failed)]

    left = start + REPORTED_WITHIN - time.time()
    wait_for(f"reports of {names}", unreported, lambda names: not names, timeout=left)


@contextmanager
def consuming_nothing(lab: Lab, worker: Host, queue: str) -> Iterator[None]:
    """Have a worker stop taking from a queue, by Celery's own remote control."""
    control = (
        "systemd-run --quiet --collect --wait --pipe --property=EnvironmentFile=/etc/airflow/flower.env"
        ' sh -c "exec /opt/airflow/current/bin/celery --broker=\\$AIRFLOW__CELERY__BROKER_URL'
        ' control --destination=celery@%s %s %s"'
    )
    host = lab.one("flower")
    host.check_output(control % (worker.name, "cancel_consumer", queue))
    try:
        yield
    finally:
        host.check_output(control % (worker.name, "add_consumer", queue))


def test_a_started_unit_is_a_registered_worker(lab: Lab) -> None:
    """Restart a worker and ask it at once; then start it without a broker: it is started when that is back.

    The mechanism is Type=notify with lakehouse_notify.py. With Type=exec nothing answered the ping after the
    restart.
    """
    worker, watch = lab.host("worker1"), lab.one("flower")
    worker.check_output("systemctl restart airflow-worker")
    watch.check_output("/opt/airflow/lakehouse/bin/ping-workers 2 %s", worker.name)

    with faults.stopped("valkey-server", lab.one("valkey")):
        worker.check_output("systemctl stop airflow-worker")
        start = time.time()
        worker.check_output("systemctl start --no-block airflow-worker")
        wait_for(
            "the worker to wait for its broker",
            lambda: "Trying again" in journal_since(worker, "airflow-worker", start),
        )
        assert worker.unit_state("airflow-worker") == "activating"
    wait_for("the start", lambda: worker.unit_state("airflow-worker"), "active".__eq__)
    watch.check_output("/opt/airflow/lakehouse/bin/ping-workers 2 %s", worker.name)


def test_workers_that_are_cut_off_or_take_nothing_are_reported(lab: Lab, airflow: Airflow) -> None:
    """One worker cannot be reached; another answers every ping and leaves its queue alone.

    The mechanism is airflow-fleet: with another patience than 20 s, 300, nothing was reported in time.
    """
    idle, silent = lab.host("worker1"), lab.host("worker2")
    lab.wait_well()
    with consuming_nothing(lab, idle, f"host.{idle.name}"), faults.cut_off(silent, faults.BROKER_PORT):
        start = time.time()
        run = airflow.trigger("lab_worker1", seconds=[1])
        wait_reported(lab, start, worker1="took nothing", worker2="no heartbeat")
    run.wait()
    assert_survived(lab, run)
    lab.wait_well()


def test_a_hung_worker_is_reported_and_restarted(lab: Lab, airflow: Airflow) -> None:
    """Freeze a worker's main process.

    The mechanism is the unit's WatchdogSec: without it the worker was reported and stayed frozen.
    """
    worker = lab.host("worker1")
    before, start = worker.unit("airflow-worker"), time.time()
    faults.kill(worker, "airflow-worker", "STOP")
    wait_reported(lab, start, worker1="no heartbeat")
    faults.wait_restarted(worker, "airflow-worker", before)
    assert "Watchdog timeout" in journal_since(worker, "airflow-worker", start)
    lab.wait_well()
    run = airflow.trigger("lab_worker1", seconds=[1])
    run.wait()
    assert_survived(lab, run)


def test_a_broker_that_hangs_ends_no_worker(lab: Lab, airflow: Airflow) -> None:
    """Freeze Valkey, which then accepts connections and answers nothing, for longer than any watchdog waits.

    The mechanism is that a worker asks what it may be waiting for before it counts itself as hung
    (Watchdog.look). Without the question the watchdog ended the worker, and the task with it.
    """
    workers = lab.hosts("workers")
    before = {worker.name: worker.unit("airflow-worker") for worker in workers}
    run = airflow.trigger("lab_worker1", seconds=[2 * WATCHDOG])
    wait_running(lab, run, 1)
    start = time.time()
    with faults.hung(lab.one("valkey"), "valkey-server"):
        wait_reported(lab, start, the_broker="does not answer")
        assert lab.problems().keys() == {"the broker"}
        time.sleep(start + 2 * WATCHDOG - time.time())
    run.wait()
    assert_survived(lab, run)
    for worker in workers:
        assert worker.unit("airflow-worker")["InvocationID"] == before[worker.name]["InvocationID"], worker
    lab.wait_well()


def test_who_watches_is_watched(lab: Lab) -> None:
    """Freeze the watch: the check fails by itself."""
    host, start = lab.one("flower"), time.time()
    with faults.hung(host, "airflow-fleet"):
        wait_for(
            "the check to fail",
            host.failed_units,
            lambda failed: WATCH_CHECK in failed,
            timeout=REPORTED_WITHIN,
        )
        assert "has not looked" in journal_since(host, "airflow-fleet-check", start)
    lab.wait_well()
