"""All secrets are rotated while tasks run, by a run that is killed halfway and another one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import redis
import requests
import yaml
from testlib import (
    Airflow,
    Cluster,
    Flower,
    Run,
    assert_survived,
    killed_playbook,
    run_playbook,
    wait_running,
)

if TYPE_CHECKING:
    from testlib import Result

CONNECTION = {"connection_id": "lab_rotated", "conn_type": "http", "password": "kept through the rotation"}
# Short and longer ones, more than can be queued at a time: some are queued in each step of the rotation.
SECONDS = [1, 4, 1, 12, 1, 8, 16, 1, 10, 2] * 5


def secrets_file(cluster: Cluster) -> dict[str, str]:
    return dict(yaml.safe_load(cluster.secrets_file.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Rotation:
    old: dict[str, str]
    new: dict[str, str]
    session: Airflow
    run: Run
    interrupted: dict[str, str]
    result: Result
    password_before: str


def stored_password(cluster: Cluster) -> str:
    """Return the password of the connection as it stands in the metadata database."""
    query = "SELECT password FROM connection WHERE conn_id = 'lab_rotated'"
    return cluster.one("postgres").sql(cluster.database("database"), query)[0]


@pytest.fixture(scope="module")
def rotation(cluster: Cluster) -> Rotation:
    session, old = cluster.airflow(), secrets_file(cluster)
    session.call("POST", "connections", CONNECTION)
    password_before = stored_password(cluster)
    run = session.trigger("lab_fifty", seconds=SECONDS)
    wait_running(cluster, run, 6)
    command = (cluster.inventory, "rotate_secrets", "--extra-vars=airflow_worker_batch=2")
    # With its second restart the API server begins to use the new secrets; the others still use the old ones.
    restart = "TASK [lakehouse.airflow.airflow_service : Restart airflow-api-server]"
    killed_playbook(*command, reached=lambda output: output.count(restart) == 2)
    interrupted = secrets_file(cluster)
    assert "airflow_jwt_secret_previous" in interrupted
    result = run_playbook(*command)
    cluster.__dict__.pop("secrets", None)
    return Rotation(old, secrets_file(cluster), session, run, interrupted, result, password_before)


def test_the_run_that_was_killed_is_finished_by_the_next(rotation: Rotation) -> None:
    rotation.result.assert_success()
    assert [name for name, value in rotation.old.items() if rotation.new[name] == value] == []
    new = {name: value for name, value in rotation.new.items() if not name.endswith("_login")}
    assert new.keys() == {name for name in rotation.old if not name.endswith("_login")}
    # None is drawn twice.
    assert {name: rotation.interrupted[name] for name in new} == new
    assert rotation.new.keys() - new == {"airflow_database_password_login", "airflow_results_password_login"}


def test_no_task_is_lost_and_none_runs_twice(cluster: Cluster, rotation: Rotation) -> None:
    run = Run(cluster.airflow(), rotation.run.dag_id, rotation.run.run_id)
    tasks = run.wait()
    assert_survived(cluster, run)
    # The key of task logs is the same on both sides.
    assert "Could not read served logs" not in run.log(tasks[0])


def test_the_old_secrets_are_refused(cluster: Cluster, rotation: Rotation) -> None:
    old, address = rotation.old, cluster.one("valkey").address
    for user in ("", "_scheduler", "_monitor"):
        login = f"airflow{user.replace('_', '-')}", old[f"airflow_broker{user}_password"]
        with pytest.raises(redis.AuthenticationError):
            cluster.unauthenticated_broker(*login).ping()
    for kind in ("database", "results"):
        database, password = cluster.database(kind), old[f"airflow_{kind}_password"]
        for role in (database, f"{database}_2"):
            url = f"postgresql://{role}:{password}@{address}/{database}"
            refused = cluster.one("postgres").run("psql %s --command='SELECT 1'", url)
            assert refused.rc != 0
            assert re.search("password authentication failed|not permitted to log in", refused.stderr)
    # To Airflow, a token that it cannot check is not that of nobody, but one without rights.
    assert rotation.session.get("api/v2/dags").status_code == 403
    with pytest.raises(requests.HTTPError, match="401"):
        rotation.session.token("admin", old["airflow_admin_password"])
    with pytest.raises(AssertionError, match="401"):
        Flower(cluster.flower().url, "flower", old["airflow_flower_password"]).get("workers")


def test_no_session_and_no_file_is_left_of_the_old_ones(cluster: Cluster, rotation: Rotation) -> None:
    logins = {
        cluster.database(kind) + rotation.new[f"airflow_{kind}_password_login"]
        for kind in ("database", "results")
    }
    query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE client_addr IS NOT NULL"
    found = set(cluster.one("postgres").sql("postgres", query))
    assert found <= logins
    for host in cluster.hosts("webservers"):
        assert not host.file("/etc/airflow/api-server-keys.json").exists


def test_what_was_encrypted_before_is_encrypted_with_the_new_key(
    cluster: Cluster, rotation: Rotation
) -> None:
    assert stored_password(cluster) != rotation.password_before
    command = "airflow connections get lab_rotated --output json"
    assert CONNECTION["password"] in cluster.one("schedulers").check_output(command)
