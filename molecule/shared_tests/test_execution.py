"""A task runs on a worker; its log and its state are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Lab, Run, TaskInstance

FAILS = """
import os, psycopg2
url = os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+")
psycopg2.connect(url).close()
try:
    psycopg2.connect(url.rpartition("/")[0] + "/airflow").close()
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


def test_a_triggered_run_executes_on_a_worker(lab: Lab, task: TaskInstance) -> None:
    assert task.outcome == ("success", 1)
    assert task.queue == "default"
    assert task.hostname in {host.name for host in lab.workers("default")}


def test_the_log_of_a_task_can_be_read(run: Run, task: TaskInstance) -> None:
    assert f"This line was written on {task.hostname}" in run.log(task)


def test_the_state_of_a_task_is_in_the_result_database(lab: Lab, run: Run) -> None:
    database = lab.one("postgres")
    asked = f"SELECT external_executor_id FROM task_instance WHERE run_id = '{run.run_id}'"  # noqa: S608
    (message,) = database.sql("airflow", asked)
    query = f"SELECT status FROM celery_taskmeta WHERE task_id = '{message}'"  # noqa: S608
    # Celery writes it down when the task's process has ended, after Airflow has.
    wait_for("the result", lambda: database.sql("airflow_results", query), lambda rows: rows == ["SUCCESS"])


def test_the_role_of_the_results_gets_into_no_other_database(lab: Lab) -> None:
    for host in lab.hosts("workers"):
        command = "systemd-run --quiet --collect --wait --pipe --property=EnvironmentFile=%s %s -c %s"
        python = "/opt/airflow/current/bin/python"
        assert "refused:" in host.check_output(command, "/etc/airflow/worker.env", python, FAILS), host
