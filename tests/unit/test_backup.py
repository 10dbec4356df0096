"""Retention of backups, what a restore refuses before any host is asked, and secrets recovered from hosts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from filter.backups import old_backups
from filter.options import assignment
from filter.recovery import recovered_secrets
from lookup.secret import GENERATORS
from testlib.ansible_commands import run_command

SECRET = 'p%@:/ "$`\\word'  # noqa: S105
CONTENT = {name: make() for name, make in GENERATORS.items()}
BACKUP = "20260101T000000Z"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Make a backup of which the dumps are none, and an inventory whose hosts do not answer."""
    path = tmp_path / "backups" / BACKUP
    path.mkdir(parents=True)
    files = {"secrets.yml": yaml.safe_dump(CONTENT), "database.dump": "data", "results.dump": "results"}
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    manifest = {"backup": BACKUP, "versions": {"airflow": "3.3.2", "postgresql": "17.6"}, "sha256": sums}
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    names = ("postgres", "valkey", "schedulers", "webservers", "flower", "workers")
    groups: dict[str, Any] = {name: {"hosts": {"a": {}}} for name in names}
    variables = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}
    inventory = {"all": {"vars": variables, "children": groups}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return path


def restore(backup: Path, *args: str) -> Any:
    inventory = backup.parents[1] / "hosts.yml"
    return run_command("ansible-playbook", f"--inventory={inventory}", "playbooks/restore.yml", *args)


def secrets_file(backup: Path) -> Path:
    return backup.parents[1] / ".airflow-secrets.yml"


def given(path: Path) -> str:
    return f"--extra-vars=airflow_backup_directory={path}"


def test_what_is_no_backup_is_refused(backup: Path) -> None:
    result = restore(backup, given(backup.parent))
    assert result.returncode != 0
    assert (
        "is no backup: it has no manifest.json. Nothing was changed. Name the directory of one" in result.text
    )
    assert not secrets_file(backup).exists()


def test_a_changed_file_is_refused(backup: Path) -> None:
    (backup / "database.dump").write_text("other", encoding="utf-8")
    result = restore(backup, given(backup))
    assert result.returncode != 0
    assert "database.dump is missing or not the file that was written" in result.text
    assert not secrets_file(backup).exists()


def test_the_backup_of_a_newer_version_and_a_limit_are_refused(backup: Path) -> None:
    manifest = json.loads((backup / "manifest.json").read_text(encoding="utf-8"))
    manifest["versions"]["airflow"] = "3.9.0"
    (backup / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    result = restore(backup, given(backup), "--limit=a")
    assert result.returncode != 0
    assert "is of Airflow 3.9.0, and airflow_version is 3.3.2" in result.text
    assert "Run it without --limit and --check" in result.text


def test_other_secrets_are_not_overwritten(backup: Path) -> None:
    own = secrets_file(backup)
    own.write_text("airflow_fernet_key: other\n", encoding="utf-8")
    own.chmod(0o600)
    result = restore(backup, given(backup))
    assert result.returncode != 0
    assert "is not the secrets file of the backup" in result.text
    assert own.read_text(encoding="utf-8") == "airflow_fernet_key: other\n"


def test_the_secrets_are_there_before_any_host_is_asked(backup: Path) -> None:
    result = restore(backup, given(backup))
    assert result.returncode != 0
    assert "unreachable=1" in result.text
    assert yaml.safe_load(secrets_file(backup).read_text(encoding="utf-8")) == CONTENT
    assert secrets_file(backup).stat().st_mode & 0o777 == 0o600
    assert not [value for value in CONTENT.values() if value in result.output]


def environments(**changes: str) -> dict[str, str]:
    """Return what grep finds on a host that has all services."""
    values = {
        "scheduler:AIRFLOW__CORE__FERNET_KEY": "new,old",
        "scheduler:AIRFLOW__API_AUTH__JWT_SECRET": SECRET,
        "scheduler:AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://airflow_2:a%2Fb@postgres:5432/airflow",
        "scheduler:AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://airflow_results:c@postgres:5432/airflow_results",
        "scheduler:AIRFLOW__CELERY__BROKER_URL": "redis://airflow-scheduler:d@valkey:6379/0",
        "api-server:AIRFLOW__API__SECRET_KEY": "e",
        "api-server:AIRFLOW__LAKEHOUSE__SESSION_SECRET_KEY": "f",
        "worker:AIRFLOW__CELERY__BROKER_URL": "redis://airflow:g@valkey:6379/0",
        "flower:AIRFLOW__CELERY__BROKER_URL": "redis://airflow-monitor:h@valkey:6379/0",
        "flower:AIRFLOW__CELERY__FLOWER_BASIC_AUTH": "flower:i:j",
        **changes,
    }
    lines = []
    for key, value in values.items():
        file, name = key.split(":", 1)
        lines.append(f"/etc/airflow/{file}.env:{assignment(name, value)}")
    return {"control": "".join(lines).replace("\n", "\r\n")}


def test_secrets_are_recovered_as_they_were_written() -> None:
    assert recovered_secrets(environments()) == {
        "secrets": {
            "airflow_fernet_key": "new",
            "airflow_jwt_secret": SECRET,
            "airflow_api_secret_key": "e",
            "airflow_session_secret_key": "f",
            "airflow_database_password": "a/b",
            "airflow_database_password_login": "_2",
            "airflow_results_password": "c",
            "airflow_broker_password": "g",
            "airflow_broker_scheduler_password": "d",
            "airflow_broker_monitor_password": "h",
            "airflow_flower_password": "i:j",
        },
        "problems": [],
    }


def test_secrets_that_differ_or_are_missing_are_named() -> None:
    other = environments(**{"worker:AIRFLOW__CELERY__BROKER_URL": "redis://airflow:other@valkey:6379/0"})
    found = recovered_secrets({**environments(), "worker1": other["control"]})
    assert found["problems"] == ["airflow_broker_password is not the same on control and worker1"]
    assert len(recovered_secrets({"control": ""})["problems"]) == len(GENERATORS) - 1


@pytest.mark.parametrize(
    ("keep", "removed"),
    [
        (1, ["/b/20260102T000000Z", "/b/20260101T000000Z", "/b/20260104T000000Z.partial"]),
        ("2", ["/b/20260101T000000Z", "/b/20260104T000000Z.partial"]),
        (3, ["/b/20260104T000000Z.partial"]),
        (9, ["/b/20260104T000000Z.partial"]),
    ],
)
def test_the_newest_backups_stay_and_partial_ones_are_removed(keep: int | str, removed: list[str]) -> None:
    names = ["20260102T000000Z", "20260104T000000Z.partial", "20260103T000000Z", "20260101T000000Z"]
    assert old_backups([f"/b/{name}" for name in names], keep) == removed
