"""One small task for each worker that has yet to prove itself, routed to the queue only that worker reads."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context, task

# Written by the playbook on scheduler hosts: {task_id: worker}.
WORKERS = Path("/opt/airflow/lakehouse/smoke.json")

with DAG(
    "lakehouse_smoke",
    description="Proves that every worker runs tasks; started by the playbook",
    schedule=None,
    is_paused_upon_creation=False,
    tags=["lakehouse"],
):

    @task
    def prove(worker: str) -> str:
        """Fail unless this runs on the worker it was meant for."""
        if (host := socket.gethostname()) != worker:
            raise RuntimeError(f"meant for {worker}, ran on {host}")
        return host

    # A worker has no such file: there, only the task it is about to run matters.
    running = get_parsing_context().task_id
    workers = {running: socket.gethostname()} if running else json.loads(WORKERS.read_text()) if WORKERS.exists() else {}
    for task_id, worker in workers.items():
        prove.override(task_id=task_id, queue=f"host.{worker}")(worker)
