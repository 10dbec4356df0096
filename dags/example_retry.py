"""Retries: the task `fragile` fails on its first try and succeeds on its second.

In between it is "up for retry" for five seconds. Each try has a log of its own and may run on another
worker.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, get_current_context, task


@dag(schedule=None, is_paused_upon_creation=False, tags=["example"], doc_md=__doc__)
def example_retry() -> None:
    # A task may be run again, so it must be safe to run twice: replace what is there, do not add to it.
    @task(retries=2, retry_delay=timedelta(seconds=5))
    def fragile() -> str:
        number = get_current_context()["ti"].try_number
        if number == 1:
            raise ConnectionError("The first try fails on purpose")
        return f"try {number} succeeded"

    fragile()


example_retry()
