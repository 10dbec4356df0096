"""A report every morning, with the pool of group_vars/all/objects.yml, on the queue of heavy_workers.yml."""

from datetime import UTC, datetime

from airflow.sdk import dag, task


@dag(schedule="0 6 * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["report"])
def report() -> None:
    @task(pool="warehouse", queue="heavy", retries=2)
    def query() -> int:
        return 42

    @task
    def publish(rows: int) -> None:
        print(f"{rows} rows")

    publish(query())


report()
