"""The databases stay as large as what is kept in them, and nothing that is newer or runs is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived, run_playbook, run_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster, Host, Run

DAG = "lab_fifty"
UNIT = "airflow-housekeeping"
OLD = "run_id LIKE 'old\\_\\_%'"
TABLES = ["dag_run", "task_instance", "log"]
# Copies of a run of fifty tasks, one for each day of a year that began twelve years ago, and three entries in
# the audit log for each task.
YEAR = """
CREATE TEMP TABLE days AS SELECT n, now() - interval '12 years' + n * interval '1 day' AS day
    FROM generate_series(1, 365) AS n;
INSERT INTO dag_run SELECT (jsonb_populate_record(run, jsonb_build_object(
    'id', nextval(pg_get_serial_sequence('dag_run', 'id')), 'run_id', 'old__' || n, 'run_after', day,
    'queued_at', day, 'start_date', day, 'end_date', day, 'updated_at', day))).*
    FROM dag_run AS run, days WHERE run.run_id = '{run}';
INSERT INTO task_instance SELECT (jsonb_populate_record(task, jsonb_build_object(
    'id', gen_random_uuid(), 'run_id', 'old__' || n, 'start_date', day, 'end_date', day, 'queued_dttm', day,
    'scheduled_dttm', day, 'updated_at', day, 'last_heartbeat_at', day))).*
    FROM task_instance AS task, days WHERE task.run_id = '{run}';
INSERT INTO log (dttm, dag_id, task_id, event, run_id, extra)
    SELECT start_date, dag_id, task_id, 'success', run_id, repeat('x', 100)
    FROM task_instance, generate_series(1, 3) WHERE run_id LIKE 'old\\_\\_%';
"""
RESULTS = """
INSERT INTO celery_taskmeta (id, task_id, status, date_done)
    SELECT nextval('task_id_sequence'), gen_random_uuid(), 'SUCCESS', now() - interval '12 years'
    FROM generate_series(1, 18250);
"""


def sql(host: Host, database: str, text: str) -> None:
    """Run a script as PostgreSQL's superuser."""
    host.check_output(
        "printf %s %s | runuser -u postgres -- psql --quiet -v ON_ERROR_STOP=1 %s", "%s", text, database
    )


def counts(host: Host) -> dict[str, int]:
    """Return how many old rows there are, and how many results."""
    old = {table: f"SELECT count(*) FROM {table} WHERE {OLD}" for table in TABLES}  # noqa: S608
    results = "SELECT count(*) FROM celery_taskmeta WHERE date_done < now() - interval '10 years'"
    found = {table: int(host.sql("airflow", query)[0]) for table, query in old.items()}
    return {**found, "results": int(host.sql("airflow_results", results)[0])}


def database_bytes(host: Host) -> int:
    """Return the size of both databases, without what autovacuum would make free."""
    for database in ("airflow", "airflow_results"):
        sql(host, database, "VACUUM")
    return int(
        host.sql("postgres", "SELECT pg_database_size('airflow') + pg_database_size('airflow_results')")[0]
    )


@pytest.fixture(scope="module")
def example(airflow: Airflow) -> Run:
    run = airflow.trigger(DAG, seconds=[0.1] * 50)
    run.wait()
    return run


def fill(host: Host, example: Run) -> None:
    sql(host, "airflow", YEAR.format(run=example.run_id))
    sql(host, "airflow_results", RESULTS)


def test_one_host_has_the_timer(cluster: Cluster) -> None:
    first, *others = cluster.hosts("schedulers")
    assert first.check_output("systemctl is-active %s.timer", UNIT) == "active"
    assert [host for host in others if host.run("systemctl is-active %s.timer", UNIT).rc == 0] == []


def test_the_databases_do_not_grow_from_year_to_year(
    cluster: Cluster, airflow: Airflow, example: Run
) -> None:
    host, database = cluster.hosts("schedulers")[0], cluster.one("postgres")
    none, year = dict.fromkeys([*TABLES, "results"], 0), {"dag_run": 365, "results": 18250}
    sizes = []
    # The files grow for two years, until free pages of all indexes are left over from the year before.
    for _year in range(4):
        fill(database, example)
        assert {key: counts(database)[key] for key in year} == year
        sizes.append(database_bytes(database))
        # While tasks run.
        run = airflow.trigger(DAG, seconds=[1] * 50)
        run.wait_tasks("some run", lambda tasks: any(task.state == "running" for task in tasks))
        host.check_output("systemctl start %s", UNIT)
        assert counts(database) == none
        run.wait()
        assert_survived(cluster, run)
        database_bytes(database)
    assert sizes[3] < sizes[2] * 1.03, sizes
    # What is newer is there, and no table of removed rows.
    assert len(example.tasks()) == 50
    left = "SELECT count(*) FROM pg_tables WHERE tablename LIKE '\\_airflow\\_deleted\\_\\_%'"
    assert database.sql("airflow", left) == ["0"]


@pytest.fixture
def referenced(cluster: Cluster) -> Iterator[None]:
    """Refer to an old row of the audit log, so that it cannot be removed."""
    host = cluster.one("postgres")
    sql(
        host,
        "airflow",
        """
        INSERT INTO log (dttm, event, run_id) VALUES (now() - interval '12 years', 'lab', 'old__0');
        CREATE TABLE referring AS SELECT id FROM log WHERE run_id = 'old__0';
        ALTER TABLE referring ADD FOREIGN KEY (id) REFERENCES log (id);
        """,
    )
    yield
    sql(host, "airflow", "DROP TABLE referring")
    cluster.hosts("schedulers")[0].check_output("systemctl start %s", UNIT)


@pytest.mark.usefixtures("referenced")
def test_a_cleaning_that_failed_is_seen(cluster: Cluster) -> None:
    host, database = cluster.hosts("schedulers")[0], cluster.one("postgres")
    sql(database, "airflow_results", RESULTS)
    assert host.run("systemctl start %s", UNIT).rc != 0
    # The others were cleaned all the same.
    assert counts(database) == {"dag_run": 0, "task_instance": 0, "log": 1, "results": 0}
    status = run_playbook(cluster.inventory, "status")
    assert status.returncode != 0
    assert f"FAILED {host.name}: unit: {UNIT} has failed: exit-code" in status.text


def test_tables_that_an_interrupted_cleaning_left_behind_are_dropped(cluster: Cluster) -> None:
    host, database = cluster.hosts("schedulers")[0], cluster.one("postgres")
    old, new = "_airflow_deleted__log__20140101000000__b1", "_airflow_deleted__log__20990101000000"
    sql(database, "airflow", f"SET ROLE airflow; CREATE TABLE {old} (id int); CREATE TABLE {new} (id int)")
    host.check_output("systemctl start %s", UNIT)
    left = database.sql(
        "airflow", "SELECT tablename FROM pg_tables WHERE tablename LIKE '\\_airflow\\_deleted%'"
    )
    sql(database, "airflow", f"DROP TABLE {new}")
    assert left == [new]


def test_runs_of_the_smoke_test_do_not_pile_up(cluster: Cluster, airflow: Airflow) -> None:
    for run in [airflow.trigger("lakehouse_smoke_test", workers=["worker1"]) for _run in range(12)]:
        run.wait()
    cluster.host("worker1").check_output("touch /etc/airflow/worker.env")
    run_site(cluster.inventory, "--tags=workers,smoke_test").assert_success()
    assert airflow.call("GET", "dags/lakehouse_smoke_test/dagRuns?limit=100")["total_entries"] == 10
    cluster.wait_healthy()
