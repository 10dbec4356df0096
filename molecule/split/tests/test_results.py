"""What a hostile worker writes into the result database runs nowhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster

MARK = "unpickled"
# With the settings of a worker: a result that, where it is unpickled, leaves a file in the working directory.
WRITE = """
import os, pickle, sys, psycopg2

class Hostile:
    def __reduce__(self):
        return os.system, ("touch " + sys.argv[2],)

with psycopg2.connect(os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+")) as connection:
    query = "UPDATE celery_taskmeta SET result = %s WHERE task_id = %s"
    cursor = connection.cursor()
    cursor.execute(query, (pickle.dumps(Hostile()), sys.argv[1]))
    print(cursor.rowcount)
"""


def test_a_result_is_not_unpickled(cluster: Cluster, airflow: Airflow) -> None:
    """The scheduler asks for the state of a task whose result is a pickle, and the worker changes the row."""
    database, worker = cluster.server("postgres"), cluster.host("worker1")
    run = airflow.trigger("lab_one", seconds=[30])

    def started() -> list[str]:
        query = f"SELECT external_executor_id FROM task_instance WHERE run_id = '{run.run_id}'"  # noqa: S608
        (celery_id,) = database.sql("airflow", query) or [""]
        query = f"SELECT task_id FROM celery_taskmeta WHERE task_id = '{celery_id}' AND status = 'STARTED'"  # noqa: S608
        return database.sql("airflow_results", query)

    (celery_id,) = wait_for("state of the task stored", started)
    written = time.time()
    command = "systemd-run --quiet --collect --wait --pipe --property=EnvironmentFile=%s %s -c %s %s %s"
    python = "/opt/airflow/current/bin/python"
    assert worker.check_output(command, "/etc/airflow/worker.env", python, WRITE, celery_id, MARK) == "1"

    schedulers = ", ".join(f"'{host.address}'" for host in cluster.hosts("schedulers"))
    # Only a scheduler that waits for a task asks, and it asks for nothing else.
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = 'airflow_results'"  # noqa: S608
        f" AND client_addr IN ({schedulers}) AND query_start > to_timestamp({written}) + interval '1 s'"
    )
    wait_for("scheduler has asked", lambda: database.sql("airflow_results", query))
    (task,) = run.wait()
    assert task.outcome == ("success", 1)
    query = f"SELECT status FROM celery_taskmeta WHERE task_id = '{celery_id}'"  # noqa: S608
    wait_for("row changed", lambda: database.sql("airflow_results", query), ["SUCCESS"].__eq__)
    for host in cluster.hosts():
        places = "/var/lib/airflow /var/log/airflow /tmp /var/tmp"
        found = host.run(f"find {places} -name {MARK}").stdout
        assert not found, host
