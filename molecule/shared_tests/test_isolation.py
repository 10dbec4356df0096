"""Services are apart: each has a user of its own and a sandbox, and DAG code reads nothing of the others."""

from __future__ import annotations

import hmac
import json
import re
from typing import TYPE_CHECKING

import pytest
import requests
from testlib import WORKER_HEALTH, wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Host

# The highest exposure of each unit, by systemd's own measure: 0 is none, 10 all.
EXPOSURE = {
    "airflow-scheduler": 2.0,
    "airflow-api-server": 2.0,
    "airflow-flower": 2.0,
    "airflow-worker-monitor": 2.0,
    WORKER_HEALTH: 2.0,
    "airflow-dag-processor": 2.5,
    "airflow-triggerer": 2.5,
    "airflow-worker": 3.5,
    "postgresql": 2.5,
}
# As the user of each unit, opens the environments of all processes, and prints both units where that works.
READ = """
    processes=$(ps --no-headers -e -o pid=,unit= | awk '$2 ~ /^airflow-/ { print $1 ":" $2 }')
    for unit in UNITS; do
        runuser -u "$(systemctl show --property=User --value "$unit")" -- sh -c '
            for process in $2; do
                true </proc/${process%:*}/environ && echo "$1.service ${process#*:}"
            done
        ' sh "$unit" "$processes" 2>/dev/null
    done
    true
"""


def exposure(host: Host, unit: str) -> float:
    # The instance: Debian's postgresql.service only groups them.
    name = '$(pg_lsclusters --no-header | awk \'{ print "postgresql@" $1 "-" $2 }\')'
    output = host.check_output(
        f"systemd-analyze security --no-pager {name if unit == 'postgresql' else unit}"
    )
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", output)
    assert match, output
    return float(match[1])


@pytest.mark.parametrize("unit", EXPOSURE)
def test_the_exposure_of_a_unit_is_low(cluster: Cluster, unit: str) -> None:
    hosts = [
        host for host, other in [*cluster.units(), (cluster.one("flower"), WORKER_HEALTH)] if other == unit
    ]
    if not hosts:
        pytest.skip("the server existed already")
    scores = {host.name: exposure(host, unit) for host in hosts}
    assert max(scores.values()) <= EXPOSURE[unit], scores


def isolates(host: Host, unit: str) -> bool:
    """Return whether a unit is a worker that keeps its processes from its own user, too."""
    option = "AIRFLOW__LAKEHOUSE__ISOLATE_TASKS"
    return unit == "airflow-worker" and host.environment(unit)[option] == "True"


def test_a_service_reads_nothing_of_another_ones_processes(cluster: Cluster) -> None:
    for host in cluster.hosts():
        units = [unit for owner, unit in cluster.units() if owner is host and unit.startswith("airflow-")]
        opened = host.check_output(READ.replace("UNITS", " ".join(units))).splitlines()
        own = {f"{unit}.service {unit}.service" for unit in units if not isolates(host, unit)}
        assert set(opened) == own, host


def test_dag_code_reads_nothing_of_other_services(airflow: Airflow) -> None:
    """Neither where DAG files are parsed nor in a task; both try each process and file."""
    wait_for("DAG lab_steal known", lambda: airflow.has_dag("lab_steal"), timeout=90)
    parsed = json.loads(str(airflow.call("GET", "dags/lab_steal")["description"]))
    run = airflow.trigger("lab_steal")
    (task,) = run.wait()
    assert task.state == "success"
    path = f"{run.path}/taskInstances/steal/xcomEntries/return_value"
    ran = json.loads(airflow.call("GET", path)["value"])
    for found in (parsed, ran):
        assert found["own"], "the attempt must be one that can succeed"
        assert found["tried"] >= 1
        assert found["others"] == []
        assert found["files"] == []


def test_tasks_do_what_tasks_do(cluster: Cluster, airflow: Airflow) -> None:
    """On one scenario of each Debian release."""
    if cluster.directory.name not in {"bookworm", "split"}:
        pytest.skip("the release is tested elsewhere")
    run = airflow.trigger("lab_sandbox")
    tasks = run.wait(timeout=180)
    assert {task.task_id: task.state for task in tasks} == {
        "python": "success",
        "virtual_environment": "success",
        "bash": "success",
    }, [run.log(task) for task in tasks if task.state != "success"]


def test_a_worker_cannot_sign_a_session(cluster: Cluster) -> None:
    """With Flask's key anyone makes the cookie that remembers a login, and gets a token of the first user."""

    def signs_in(key: str) -> bool:
        user = "1"
        cookie = f"{user}|{hmac.new(key.encode(), user.encode(), 'sha512').hexdigest()}"
        url = f"{cluster.airflow_url()}/auth/login/"
        answer = requests.get(url, cookies={"remember_token": cookie}, allow_redirects=False, timeout=20)
        return "_token" in answer.cookies

    for host in cluster.hosts("workers"):
        known = host.environment("airflow-worker").values()
        assert cluster.secrets["airflow_api_secret_key"] in known
        assert cluster.secrets["airflow_session_secret_key"] not in known
    assert signs_in(cluster.secrets["airflow_session_secret_key"])
    assert not signs_in(cluster.secrets["airflow_api_secret_key"])
