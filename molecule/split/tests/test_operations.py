"""What operators run, with TLS and two of each control service; molecule/operations has the rest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from testlib import run_playbook
from testlib.status import wait_status_healthy

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Cluster

UNIT = "airflow-housekeeping"


def test_the_status_of_every_host(cluster: Cluster, tmp_path: Path) -> None:
    # The tests before have restarted services.
    wait_status_healthy(cluster)
    path = tmp_path / "report.json"
    result = run_playbook(cluster.inventory, "status", f"--extra-vars=airflow_report_file={path}")
    assert set(result.assert_success().changed.values()) == {0}
    report = json.loads(path.read_text(encoding="utf-8"))
    checks = {(check["check"], check["host"]) for check in report["checks"]}
    wanted = {
        "reachable": cluster.hosts(),
        "certificate": cluster.hosts("postgres") + cluster.hosts("valkey") + cluster.hosts("webservers"),
        "api_server": cluster.hosts("webservers"),
        "worker": cluster.hosts("workers"),
        "worker_monitor": cluster.hosts("flower"),
    }
    missing = {(check, host.name) for check, hosts in wanted.items() for host in hosts} - checks
    assert missing == set()
    assert {"default", "heavy"} <= set(report["queues"])


def test_a_backup_of_a_cluster_with_tls(cluster: Cluster, tmp_path: Path) -> None:
    result = run_playbook(cluster.inventory, "backup", f"--extra-vars=airflow_backup_directory={tmp_path}")
    result.assert_success()
    (backup,) = tmp_path.iterdir()
    manifest = json.loads((backup / "manifest.json").read_text(encoding="utf-8"))
    sums = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in backup.iterdir()
        if path.name != "manifest.json"
    }
    assert manifest["sha256"] == sums
    assert {"database.dump", "results.dump", "broker.rdb", "secrets.yml"} <= sums.keys()


def test_one_of_two_schedulers_cleans_the_databases(cluster: Cluster) -> None:
    first, *others = cluster.hosts("schedulers")
    first.check_output("systemctl is-active %s.timer", UNIT)
    assert [host for host in others if host.run("systemctl is-active %s.timer", UNIT).rc == 0] == []
    first.check_output("systemctl start %s", UNIT)
    assert first.unit(f"{UNIT}.service")["Result"] == "success"
