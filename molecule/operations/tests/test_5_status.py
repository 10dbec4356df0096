"""playbooks/status.yml and airflow-status show the cluster on one screen, whatever is down."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from testlib import faults, run_playbook, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testlib import Airflow, Cluster, Host, Result

WORKER = "worker2"


def status(cluster: Cluster, path: Path) -> tuple[Result, dict[str, Any]]:
    result = run_playbook(cluster.inventory, "status", f"--extra-vars=airflow_report_file={path}")
    return result, json.loads(path.read_text(encoding="utf-8"))


def failed(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(check["check"], check["host"]) for check in report["checks"] if check["state"] != "ok"}


@contextmanager
def paused(cluster: Cluster, host: Host) -> Iterator[None]:
    """Stop all processes of a host: it answers nobody."""
    scenario = cluster.directory.name
    subprocess.run(["docker", "pause", f"lakehouse-{scenario}-{host.name}"], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(
            ["docker", "unpause", f"lakehouse-{scenario}-{host.name}"], check=True, capture_output=True
        )


def test_a_healthy_cluster(cluster: Cluster, airflow: Airflow, tmp_path: Path) -> None:
    cluster.wait_healthy()
    airflow.wait_healthy()
    started = time.monotonic()
    result, report = status(cluster, tmp_path / "report.json")
    result.assert_success()
    assert time.monotonic() - started < 60
    assert set(result.changed.values()) == {0}
    assert report["healthy"] is True
    assert report["slots"] == {"busy": 0, "all": 8}
    assert report["queues"]["default"] == 0
    assert report["database"]["tasks"].get("queued", 0) == 0
    checks = {(check["check"], check["host"]) for check in report["checks"]}
    assert {("scheduler", "control1"), ("worker", WORKER), ("unit", WORKER), ("disk", "control1")} <= checks
    assert f" {WORKER} airflow-worker active " in result.text


def test_it_says_what_runs_and_what_waits(cluster: Cluster, airflow: Airflow, tmp_path: Path) -> None:
    run = airflow.trigger("lab_fifty", seconds=[20] * 8 + [1] * 42)
    run.wait_tasks("8 run", lambda tasks: sum(task.state == "running" for task in tasks) == 8)

    # Workers tell of it in their next heartbeat.
    def report() -> dict[str, Any]:
        return status(cluster, tmp_path / "report.json")[1]

    found = wait_for("slots in use", report, lambda found: found["slots"]["busy"] == 8)
    assert found["healthy"] is True
    assert found["database"]["tasks"]["running"] == 8
    assert found["queues"]["default"] == found["database"]["tasks"]["queued"] > 0
    assert found["database"]["runs"]["running"] == 1
    run.wait()


def test_dead_hosts_and_services_are_named(cluster: Cluster, tmp_path: Path) -> None:
    with paused(cluster, cluster.host(WORKER)), faults.stopped("airflow-triggerer", cluster.host("control1")):
        result, report = status(cluster, tmp_path / "report.json")
    assert result.returncode != 0
    assert report["healthy"] is False
    assert {("reachable", WORKER), ("unit", "control1")} <= failed(report)
    assert f"FAILED {WORKER}: reachable: does not answer" in result.text
    assert "FAILED control1: unit: airflow-triggerer is inactive" in result.text
    # The triggerer says so with its next heartbeat.
    wait_for(
        "healthy",
        lambda: failed(status(cluster, tmp_path / "report.json")[1]),
        lambda found: not found,
        timeout=120,
    )


def test_differences_are_named(cluster: Cluster, tmp_path: Path) -> None:
    host, elsewhere = cluster.host(WORKER), cluster.host("worker1")
    current = host.check_output("readlink /opt/airflow/dags")
    host.check_output("ln -sfn /opt/airflow/dag-releases/other /opt/airflow/dags")
    # As after a run that wrote settings and was interrupted before the restart.
    elsewhere.check_output("touch /etc/airflow/worker.env")
    try:
        report = status(cluster, tmp_path / "report.json")[1]
    finally:
        host.check_output("ln -sfn %s /opt/airflow/dags", current)
        elsewhere.check_output("touch --date=@1 /etc/airflow/worker.env")
    assert failed(report) == {("dags", WORKER), ("settings", "worker1")}


def test_a_drained_worker_is_no_problem(cluster: Cluster, tmp_path: Path) -> None:
    run_playbook(cluster.inventory, "drain", f"--limit={WORKER}").assert_success()
    result, report = status(cluster, tmp_path / "report.json")
    result.assert_success()
    assert report["slots"]["all"] == 4
    assert {"check": "drained", "host": WORKER} in [
        {key: check[key] for key in ("check", "host")} for check in report["checks"]
    ]
    run_playbook(cluster.inventory, "resume", f"--limit={WORKER}").assert_success()
    cluster.wait_healthy()


@pytest.mark.parametrize("stopped", [False, True])
def test_the_command_on_the_host_of_flower(cluster: Cluster, *, stopped: bool) -> None:
    host = cluster.one("flower")
    assert host.run("runuser -u nobody airflow-status").rc == 2
    if not stopped:
        found = host.run("airflow-status --json")
        assert found.rc == 0, found.stdout
        report = json.loads(found.stdout)
        assert report["healthy"] is True
        assert report["workers"].keys() == {"worker1", WORKER}
        assert host.check_output("airflow-status").startswith("healthy, 1 of 1 hosts")
        return
    with faults.stopped("airflow-worker", cluster.host(WORKER)):
        found = wait_for("unhealthy", lambda: host.run("airflow-status"), lambda found: found.rc == 1)
        assert f"FAILED {WORKER}: worker: stopped" in found.stdout
    cluster.wait_healthy()
