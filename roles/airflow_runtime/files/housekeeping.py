"""Remove what is older than some days from the databases of Airflow; fail if any of it could not be removed.

usage: housekeeping.py DAYS, with the environment of the airflow command
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
from celery import Celery
from psycopg2 import sql

# `airflow db clean` moves each batch into a table of its own, with the time in its name, and leaves it there
# when it is interrupted. Those who archive by hand have such tables too, hence the age.
ARCHIVE = re.compile(r"_airflow_deleted__.+__(?P<time>[0-9]{14})(__b[0-9]+)?")
BATCH = 10_000


def old_archives(names: Iterable[str], before: datetime) -> list[str]:
    """Return the tables of removed rows that were made before a time."""
    found = ((name, ARCHIVE.fullmatch(name)) for name in names)
    limit = before.strftime("%Y%m%d%H%M%S")
    return [name for name, match in found if match and match["time"] < limit]


def drop_archives(before: datetime) -> None:
    """Drop the tables that an interrupted run has left behind."""
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    with psycopg2.connect(url, connect_timeout=10) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        for name in old_archives([row[0] for row in cursor.fetchall()], before):
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            print(f"Dropped the table {name}", flush=True)


def clean_metadata(before: datetime) -> None:
    """Remove runs, tasks, logs and all else that Airflow itself knows to remove."""
    command = [str(Path(sys.executable).with_name("airflow")), "db", "clean", "--yes", "--skip-archive"]
    options = ["--error-on-cleanup-failure", f"--batch-size={BATCH}"]
    subprocess.run([*command, *options, f"--clean-before-timestamp={before.isoformat()}"], check=True)


def clean_results(days: int) -> None:
    """Remove the results of Celery, as its own scheduler would, which does not run here."""
    app = Celery("housekeeping", backend=os.environ["AIRFLOW__CELERY__RESULT_BACKEND"])
    app.conf.result_expires = timedelta(days=days)
    app.backend.cleanup()
    print(f"Removed the results of Celery that are older than {days} days", flush=True)


def main() -> int:
    days = int(sys.argv[1])
    before = datetime.now(UTC) - timedelta(days=days)
    failed = False
    for clean, argument in ((drop_archives, before), (clean_metadata, before), (clean_results, days)):
        try:
            clean(argument)  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - what is left is cleaned all the same
            print(f"<3>{clean.__name__}: {error}", flush=True)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
