"""What is refused where a server or a dump is of another version of PostgreSQL than the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib.ansible_commands import run_command
from testlib.cluster import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Result

CLIENT = "pg_restore (PostgreSQL) {} (Debian {}-1.pgdg)\r\n"
UPGRADED = "/etc/postgresql/15/main\r\n"
OWN = "/etc/postgresql/17/main\r\n"


def judge(directory: Path, file: str, name: str, **variables: Any) -> Result:
    """Run one task of a role on the host db1, with what the tasks before have found."""
    tasks = yaml.safe_load((PROJECT / "roles" / file).read_text(encoding="utf-8"))
    task = next(task for task in tasks if task["name"] == name)
    play = {"hosts": "db1", "gather_facts": False, "vars": variables, "tasks": [task]}
    (directory / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    (directory / "hosts.yml").write_text("all: {hosts: {db1: {ansible_connection: local}}}", encoding="utf-8")
    return run_command(
        "ansible-playbook", f"--inventory={directory / 'hosts.yml'}", str(directory / "play.yml")
    )


@pytest.mark.parametrize(
    ("client", "dump", "accepted"),
    [("17.6", "15.14", True), ("17.6", "17.9", True), ("15.14", "17.6", False), ("9.6", "15.14", False)],
)
def test_a_dump_of_a_newer_postgresql_is_refused(
    tmp_path: Path, client: str, dump: str, *, accepted: bool
) -> None:
    result = judge(
        tmp_path,
        "airflow_backup/tasks/restore_check.yml",
        "Check that PostgreSQL reads the dump",
        __airflow_backup_restore_client={"stdout": CLIENT.format(client, client)},
        __airflow_backup_restore_path="/srv/backup",
        __airflow_backup_restore_manifest={"versions": {"postgresql": dump}},
    )
    assert (result.returncode == 0) == accepted, result.output
    major = client.split(".", maxsplit=1)[0]
    said = f"db1 has PostgreSQL {major}, and /srv/backup is of PostgreSQL {dump.split('.', maxsplit=1)[0]}"
    assert (said in result.text) != accepted


@pytest.mark.parametrize(
    ("found", "accepted"), [("", True), (OWN, True), (UPGRADED, False), (UPGRADED + OWN, False)]
)
def test_databases_of_an_older_postgresql_are_not_replaced(
    tmp_path: Path, found: str, *, accepted: bool
) -> None:
    result = judge(
        tmp_path,
        "postgres/tasks/install.yml",
        "Check that the databases are not those of another version",
        __postgres_packages={"stdout_lines": found.splitlines()},
        __postgres_version="17",
        __postgres_directory="/etc/postgresql/17/main",
    )
    assert (result.returncode == 0) == accepted, result.output
    said = "db1: the databases are of PostgreSQL 15, and this release of Debian has 17"
    assert (said in result.text) != accepted
