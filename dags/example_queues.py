"""Queues: the task `heavy` runs only on a worker that reads the queue `heavy`, say one with more memory.

Which queues a worker reads is a variable of its host: `airflow_worker_queues: [default, heavy]`. While no
worker reads `heavy`, the task stays "queued".
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task


def worker() -> str:
    """Return the inventory name of the host that runs this task."""
    return str(get_current_context()["ti"].hostname)


@dag(schedule=None, is_paused_upon_creation=False, tags=["example"], doc_md=__doc__)
def example_queues() -> None:
    @task  # without a queue: "default"
    def light() -> str:
        return worker()

    @task(queue="heavy")
    def heavy() -> str:
        return worker()

    # No arrow between them: neither waits for the other.
    light()
    heavy()


example_queues()
