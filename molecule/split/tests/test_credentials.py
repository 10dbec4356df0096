"""With airflow_worker_isolate_tasks, as worker2 has it, a task finds no credentials of its worker."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster

SECRETS = {
    "broker": "airflow_broker_password",
    "results": "airflow_results_password",
    "logs": "airflow_api_secret_key",
}


@pytest.fixture(scope="module")
def found(cluster: Cluster, airflow: Airflow) -> dict[str, dict[str, list[str]]]:
    """Return what the task of each queue found."""
    wait_for("DAG lab_credentials known", lambda: airflow.has_dag("lab_credentials"), timeout=90)
    digests = {
        hashlib.sha256(cluster.secrets[key].encode()).hexdigest(): name for name, key in SECRETS.items()
    }
    run = airflow.trigger("lab_credentials", digests=digests)
    tasks = run.wait(timeout=240)
    assert {task.state for task in tasks} == {"success"}, [run.log(task) for task in tasks]
    path = f"{run.path}/taskInstances/{{}}/xcomEntries/return_value"
    return {
        task.task_id: json.loads(airflow.call("GET", path.format(task.task_id))["value"]) for task in tasks
    }


def test_a_task_finds_the_credentials_of_a_worker_that_does_not_isolate(
    found: dict[str, dict[str, list[str]]],
) -> None:
    """Else the other test would show nothing."""
    assert found["default"]["environment"] == sorted(SECRETS)
    assert found["default"]["memory"] == sorted(SECRETS)
    assert found["default"]["descriptors"]


def test_a_task_of_a_worker_that_isolates_finds_none(found: dict[str, dict[str, list[str]]]) -> None:
    heavy = dict(found["heavy"])
    # The worker, its log server, the server of the tasks, and slots.
    assert len(heavy.pop("processes")) >= 4
    assert heavy == {"writable": []}
