"""A backup is restored on another host, with nothing left of the cluster but the backup."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib import Airflow, Cluster, Host, Result, Run, run_playbook, wait_for, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# So that the host, which is the only one of the restored cluster, reads the queue of the tasks that wait.
NAME = "worker1"
GROUPS = ["postgres", "valkey", "schedulers", "webservers", "flower", "workers"]
PASSWORD = "kept-by-Fernet-and-a-%-sign"  # noqa: S105
UNITS = "'airflow*' valkey-server 'postgresql*'"


@dataclass
class Before:
    """What the cluster had when it was backed up."""

    finished: Run
    # Its tasks ran.
    running: Run
    # Its tasks waited for the worker that the others occupied.
    queued: Run
    backup: Path


@pytest.fixture(scope="module")
def before(cluster: Cluster, airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Before:
    airflow.call("POST", "connections", {"connection_id": "kept", "conn_type": "http", "password": PASSWORD})
    airflow.call("POST", "variables", {"key": "kept", "value": PASSWORD})
    command = (
        "airflow users create --username keeper --role Viewer --firstname a --lastname b --email k@localhost"
    )
    cluster.one("schedulers").check_output(f"{command} --password %s", PASSWORD)
    finished = airflow.trigger("lab_one", seconds=[1])
    finished.wait()
    running = airflow.trigger("lab_worker1_four", seconds=[900] * 4)
    wait_running(cluster, running, 4)
    queued = airflow.trigger("lab_worker1_two", seconds=[1, 1])
    queued.wait_tasks("queued", lambda tasks: [task.state for task in tasks] == ["queued"] * 2)
    directory = tmp_path_factory.mktemp("backups")
    run_playbook(
        cluster.inventory, "backup", f"--extra-vars=airflow_backup_directory={directory}"
    ).assert_success()
    # The cluster goes on, for the tests after these.
    running.mark_failed()
    (backup,) = directory.iterdir()
    return Before(finished, running, queued, backup)


def test_a_backup_is_private_and_complete(cluster: Cluster, before: Before) -> None:
    files = {path.name: path for path in before.backup.iterdir()}
    wanted = {
        "database.dump",
        "results.dump",
        "broker.rdb",
        "secrets.yml",
        "inventory.tar.gz",
        "manifest.json",
    }
    assert wanted <= files.keys()
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert before.backup.stat().st_mode & 0o777 == 0o700
    manifest = json.loads(files["manifest.json"].read_text(encoding="utf-8"))
    assert manifest["bytes"]["database.dump"] == files["database.dump"].stat().st_size
    assert files["secrets.yml"].read_bytes() == cluster.secrets_file.read_bytes()
    # Nothing is left on the hosts.
    for host in cluster.hosts():
        assert not host.check_output("find /var/tmp /var/backups -name 'airflow-backup-*' -o -name '*.rdb'")
        assert not host.check_output(
            "! test -e /var/backups/airflow-transfer || ls /var/backups/airflow-transfer"
        )


@dataclass
class Restored:
    inventory: Path
    host: Host
    airflow: Airflow
    result: Result


@pytest.fixture(scope="module")
def restored(
    cluster: Cluster, before: Before, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restored]:
    """Restore the backup on the host that is bare: the secrets file is not there either."""
    directory = tmp_path_factory.mktemp("restored")
    inventory, secrets = directory / "hosts.yml", directory / "secrets.yml"
    variables: dict[str, Any] = {**cluster.content["vars"], "airflow_secrets_file": str(secrets)}
    address = cluster.host("spare").address
    hosts = {NAME: {"ansible_host": address}}
    content = {
        "hosts": hosts,
        "vars": variables,
        "children": {group: {"hosts": {NAME: {}}} for group in GROUPS},
    }
    inventory.write_text(yaml.safe_dump({"all": content}), encoding="utf-8")
    extra = f"--extra-vars=airflow_backup_directory={before.backup}"
    result = run_playbook(inventory, "restore", extra)
    result.assert_success()
    host = Host(NAME, {**variables, **hosts[NAME]})
    password = yaml.safe_load(secrets.read_text(encoding="utf-8"))["airflow_admin_password"]
    yield Restored(inventory, host, Airflow(f"http://{address}:8080", "admin", password), result)
    host.check_output(
        f"systemctl disable --now $(systemctl list-units --plain --no-legend {UNITS} | cut -d ' ' -f 1)"
        # An API server whose database stops with it is killed after its timeout.
        " && systemctl reset-failed"
    )


def test_history_connections_variables_and_users_are_there(before: Before, restored: Restored) -> None:
    tasks = Run(restored.airflow, "lab_one", before.finished.run_id).tasks()
    assert [task.outcome for task in tasks] == [("success", 1)]
    connection = restored.host.check_output("airflow connections get kept --output json")
    assert json.loads(connection)[0]["password"] == PASSWORD
    assert restored.airflow.call("GET", "variables/kept")["value"] == PASSWORD
    assert Airflow(restored.airflow.url, "keeper", PASSWORD).call("GET", "version")


def test_queued_tasks_run_on_their_first_try_and_running_ones_are_retried(
    before: Before, restored: Restored
) -> None:
    for run, number in [(before.queued, 1), (before.running, 2)]:
        # Those that ran are given up 300 s after their last heartbeat.
        tasks = Run(restored.airflow, run.dag_id, run.run_id).wait(timeout=400)
        assert [task.outcome for task in tasks] == [("success", number)] * len(tasks)


def test_a_restore_that_is_run_again_goes_on_and_overwrites_nothing(
    before: Before, restored: Restored
) -> None:
    run = restored.airflow.trigger("lab_one", seconds=[1])
    run.wait()
    extra = f"--extra-vars=airflow_backup_directory={before.backup}"
    result = run_playbook(restored.inventory, "restore", extra).assert_success()
    assert "stays as it is" in result.text
    assert [task.outcome for task in run.tasks()] == [("success", 1)]


def test_a_database_with_data_is_not_overwritten(cluster: Cluster, before: Before, airflow: Airflow) -> None:
    extra = f"--extra-vars=airflow_backup_directory={before.backup}"
    result = run_playbook(cluster.inventory, "restore", extra)
    assert result.returncode != 0
    assert "holds data, and would be replaced by" in result.text
    assert before.finished.tasks()[0].outcome == ("success", 1)
    wait_for("cluster healthy", cluster.unhealthy, lambda unhealthy: not unhealthy, timeout=60)
    airflow.wait_healthy()


def test_a_timer_dumps_and_its_failure_shows(cluster: Cluster, tmp_path: Path) -> None:
    host, directory = cluster.one("postgres"), "/var/backups/airflow"
    content = copy.deepcopy(cluster.content)
    inventory = tmp_path / "hosts.yml"

    def schedule(value: str) -> None:
        content["vars"].update({"airflow_backup_schedule": value, "airflow_backup_keep": 2})
        inventory.write_text(yaml.safe_dump({"all": content}), encoding="utf-8")
        run_playbook(inventory, "postgres").assert_success()

    schedule("*-*-* 03:00:00")
    assert host.check_output("systemctl is-active airflow-backup.timer") == "active"
    for _number in range(3):
        host.check_output("systemctl start airflow-backup.service")
    # The dumps of upgrades are in a directory of their own.
    names = host.check_output("cd %s && ls *.dump", directory).splitlines()
    assert [name.split("-")[0] for name in names] == ["database"] * 2 + ["results"] * 2
    # A port at which nothing listens.
    host.configure("airflow-backup", {}, "Environment=PGPORT=1\n")
    try:
        assert host.run("systemctl start airflow-backup.service").rc != 0
        assert "airflow-backup" in host.failed_units()
    finally:
        host.unconfigure()
    assert host.check_output("cd %s && ls *.dump", directory).splitlines() == names
    host.check_output("systemctl reset-failed airflow-backup.service; cd %s && rm *.dump", directory)
    schedule("")
    assert not host.check_output("ls /etc/systemd/system | grep airflow-backup || true")
