"""playbooks/verify.yml reports each check with its host, as JSON too, whatever is down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from testlib import faults, run_playbook

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Airflow, Cluster, Result


def verify(cluster: Cluster, path: Path) -> tuple[Result, dict[str, Any]]:
    result = run_playbook(cluster.inventory, "verify", f"--extra-vars=airflow_report_file={path}")
    return result, json.loads(path.read_text(encoding="utf-8"))


def failed(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(check["check"], check["host"]) for check in report["checks"] if check["state"] != "ok"]


def test_a_healthy_cluster(cluster: Cluster, tmp_path: Path) -> None:
    result, report = verify(cluster, tmp_path / "report.json")
    result.assert_success()
    assert set(result.changed.values()) == {0}
    assert report["healthy"] is True
    checks = {(check["check"], check["host"]) for check in report["checks"]}
    assert {("scheduler", "webserver1"), ("flower_lists_worker", "worker2")} <= checks


def test_an_unhealthy_cluster(cluster: Cluster, airflow: Airflow, tmp_path: Path) -> None:
    with (
        faults.stopped("airflow-worker", cluster.host("worker2")),
        faults.stopped("airflow-api-server", cluster.host("scheduler1")),
    ):
        result, report = verify(cluster, tmp_path / "report.json")
    assert result.returncode != 0
    assert report["healthy"] is False
    assert failed(report) == [
        ("api_server", "scheduler1"),
        ("flower_lists_worker", "worker2"),
        ("worker_answers_ping", "worker2"),
    ]
    assert "worker_answers_ping: 1 ok; FAILED worker2 (no reply)" in result.text
    cluster.wait_healthy()
    airflow.wait_healthy()
