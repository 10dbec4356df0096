"""A task runs on a worker, its log can be read, its result is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Run, TaskInstance

CONNECT = """
import os, psycopg2
url = os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+")
psycopg2.connect(url).close()
try:
    psycopg2.connect(url, dbname="%s").close()
except psycopg2.OperationalError as error:
    print("refused:", error)
"""


@pytest.fixture(scope="module")
def run(airflow: Airflow) -> Run:
    run = airflow.trigger("lab_where")
    run.wait()
    return run


@pytest.fixture(scope="module")
def task(run: Run) -> TaskInstance:
    (task,) = run.tasks()
    return task


def test_a_triggered_task_runs_on_a_worker(cluster: Cluster, task: TaskInstance) -> None:
    assert task.outcome == ("success", 1)
    assert task.queue == "default"
    assert task.hostname in {host.name for host in cluster.workers("default")}


def test_the_log_of_a_task_can_be_read_through_the_api(run: Run, task: TaskInstance) -> None:
    assert f"This line was written on {task.hostname}" in run.log(task)


def test_the_result_of_a_task_is_in_the_result_database(cluster: Cluster, run: Run) -> None:
    database = cluster.server("postgres")
    query = f"SELECT external_executor_id FROM task_instance WHERE run_id = '{run.run_id}'"  # noqa: S608
    (celery_id,) = database.sql(cluster.database("database"), query)
    query = f"SELECT status FROM celery_taskmeta WHERE task_id = '{celery_id}'"  # noqa: S608
    # Celery stores it after the task's process has ended, later than Airflow's own state.
    results = cluster.database("results")
    wait_for("result stored", lambda: database.sql(results, query), lambda rows: rows == ["SUCCESS"])


def test_the_role_of_the_result_backend_has_no_access_to_the_metadata_database(cluster: Cluster) -> None:
    for host in cluster.hosts("workers"):
        command = "systemd-run --quiet --collect --wait --pipe --property=EnvironmentFile=%s %s -c %s"
        python = "/opt/airflow/current/bin/python"
        connect = CONNECT % cluster.database("database")
        assert "refused:" in host.check_output(command, "/etc/airflow/worker.env", python, connect), host
