"""Short tasks that each insert one row, to run while faults are injected."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta

import psycopg2
from airflow.sdk import DAG, Connection, Context, get_current_context, task

TASKS = 100


@task(retries=20, retry_delay=timedelta(seconds=2))
def insert_row(number: int) -> None:
    context: Context = get_current_context()
    soak = Connection.get("soak")
    time.sleep(3)
    address = {"host": soak.host, "dbname": soak.schema, "user": soak.login, "password": soak.password}
    with closing(psycopg2.connect(**address)) as database, database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rows (run, number, try, host) VALUES (%s, %s, %s, %s)",
            (context["run_id"], number, context["ti"].try_number, context["ti"].hostname),
        )
        database.commit()
    time.sleep(1)


with DAG("lab_soak", schedule=None, is_paused_upon_creation=False, tags=["lab"]):
    insert_row.expand(number=list(range(TASKS)))
