"""One small task for each worker, routed to the queue only that worker reads."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from airflow.sdk import DAG, get_current_context, get_parsing_context, task
from airflow.sdk.exceptions import AirflowSkipException

# Written by the playbook on scheduler hosts: the host names of the workers.
WORKERS = Path("/opt/airflow/lakehouse/workers.json")

with DAG(
    "lakehouse_smoke",
    description="Proves that workers run tasks; the playbook starts it, and so may you",
    schedule=None,
    is_paused_upon_creation=False,
    tags=["lakehouse"],
):

    @task
    def prove(worker: str) -> str:
        """Fail unless this runs on the worker it was meant for."""
        asked = (get_current_context()["dag_run"].conf or {}).get("workers")
        if asked and worker not in asked:
            raise AirflowSkipException(f"{worker} was not asked to prove itself")
        if (host := socket.gethostname()) != worker:
            raise RuntimeError(f"meant for {worker}, ran on {host}")
        return host

    # A worker has no such file: there, only the task it is about to run matters.
    if running := get_parsing_context().task_id:
        workers = [running]
    else:
        workers = json.loads(WORKERS.read_text()) if WORKERS.exists() else []
    for worker in workers:
        prove.override(task_id=worker, queue=f"host.{worker}")(worker)
