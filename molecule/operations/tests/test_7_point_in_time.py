"""The databases are set back to a time before a mistake."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib import run_playbook, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Airflow, Cluster, Host, Result


def restore(inventory: Path, time: str) -> Result:
    extra = json.dumps({"pgbackrest_restore_time": time})
    return run_playbook(inventory, "restore_point_in_time", f"--extra-vars={extra}")


def backups(host: Host) -> list[dict[str, Any]]:
    """Return the base backups that have ended."""
    return list(
        json.loads(host.check_output("runuser -u postgres -- pgbackrest --output=json info"))[0]["backup"]
    )


@pytest.fixture(scope="module")
def inventory(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the inventory with an archive, which PostgreSQL has from then on."""
    content = copy.deepcopy(cluster.content)
    content["vars"]["pgbackrest_config"] = {"repo1-path": "/srv/pgbackrest"}
    path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": content}), encoding="utf-8")
    run_playbook(path, "postgres").assert_success()
    return path


def test_the_first_base_backup_is_made_and_the_next_run_changes_nothing(
    cluster: Cluster, inventory: Path
) -> None:
    host = cluster.one("postgres")
    wait_for("first base backup", lambda: backups(host), lambda found: len(found) == 1, timeout=120)
    assert set(run_playbook(inventory, "postgres").assert_success().changed.values()) == {0}
    timers = host.check_output("systemctl list-timers --plain --no-legend 'pgbackrest@*'")
    assert timers.count("pgbackrest@full.timer") == timers.count("pgbackrest@incr.timer") == 1


def test_a_time_that_cannot_be_restored_is_refused(cluster: Cluster, inventory: Path) -> None:
    for time, said in {
        "2026-01-01 00:00:00+00": "has no base backup that had ended at 2026-01-01 00:00:00+00",
        "2099-01-01 00:00:00+00": "has not come yet",
        "2026-01-01 00:00:00": "is no time with a time zone",
    }.items():
        result = restore(inventory, time)
        assert result.returncode != 0
        assert said in result.text
        assert set(result.changed.values()) == {0}
    assert cluster.unhealthy() == []


def test_what_was_changed_is_as_it_was(cluster: Cluster, airflow: Airflow, inventory: Path) -> None:
    host = cluster.one("postgres")
    variable = {"key": "changed_by_mistake", "value": "kept"}
    airflow.call("POST", "variables", variable)
    before = airflow.trigger("lab_fifty", seconds=[0.1] * 50)
    before.wait()
    (time,) = host.sql("postgres", "SELECT date_trunc('milliseconds', now())")
    airflow.call("PATCH", "variables/changed_by_mistake", {**variable, "value": "lost"})
    after = airflow.trigger("lab_fifty", seconds=[0.1] * 50)
    after.wait()
    restore(inventory, time).assert_success()
    again = cluster.airflow()
    assert again.call("GET", "variables/changed_by_mistake")["value"] == "kept"
    runs = [run["dag_run_id"] for run in again.call("GET", "dags/lab_fifty/dagRuns?limit=100")["dag_runs"]]
    assert before.run_id in runs
    assert after.run_id not in runs
    assert len(again.trigger("lab_fifty", seconds=[0.1] * 50).wait()) == 50
    # A run that was interrupted after that is run again, and loses nothing of what was done since.
    result = restore(inventory, time).assert_success()
    assert "stay as they are" in result.text


def test_it_is_switched_off(cluster: Cluster, inventory: Path) -> None:
    host = cluster.one("postgres")
    # The base backup that followed the restore.
    wait_for(
        "base backup",
        lambda: host.run("systemctl is-active pgbackrest@full").stdout,
        "inactive\n".__eq__,
    )
    content = yaml.safe_load(inventory.read_text(encoding="utf-8"))
    content["all"]["vars"]["pgbackrest_config"] = {}
    inventory.write_text(yaml.safe_dump(content), encoding="utf-8")
    run_playbook(inventory, "postgres").assert_success()
    assert host.sql("postgres", "SHOW archive_mode") == ["off"]
    assert not host.check_output("ls /etc/systemd/system | grep pgbackrest || true")
    # The repository is data.
    assert host.check_output("ls /srv/pgbackrest").split() == ["archive", "backup"]
    host.check_output("rm -r /srv/pgbackrest /etc/pgbackrest.conf")
    cluster.wait_healthy()
