"""Routing by queue: a task with ``queue="heavy"`` runs only on workers that list that queue."""

from __future__ import annotations

import socket

from airflow.sdk import dag, task


@dag(schedule=None, tags=["example"])
def example_queue() -> None:
    """Run one task on the default queue, then one on ``heavy``."""

    @task
    def light() -> str:
        return socket.gethostname()

    @task(queue="heavy")
    def heavy() -> str:
        return socket.gethostname()

    light() >> heavy()


example_queue()
