"""Short tasks that each leave one row, for faults to strike at."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta

import psycopg2
from airflow.sdk import DAG, Connection, Context, get_current_context, task

TASKS = 100


@task(retries=20, retry_delay=timedelta(seconds=2))
def leave_row(number: int) -> None:
    context: Context = get_current_context()
    given = Connection.get("soak")
    time.sleep(3)
    address = {"host": given.host, "dbname": given.schema, "user": given.login, "password": given.password}
    with closing(psycopg2.connect(**address)) as database, database, database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rows (run, number, try, host) VALUES (%s, %s, %s, %s)",
            (context["run_id"], number, context["ti"].try_number, context["ti"].hostname),
        )
    time.sleep(1)


with DAG("lab_soak", schedule=None, is_paused_upon_creation=False, tags=["lab"]):
    leave_row.expand(number=list(range(TASKS)))
