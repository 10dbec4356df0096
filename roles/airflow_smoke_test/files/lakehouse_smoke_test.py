"""One small task for each worker, routed to the queue that only this worker reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.sdk import DAG, get_current_context, get_parsing_context, task
from airflow.sdk.exceptions import AirflowSkipException

# Written by the role on the hosts of the DAG processor: the queue of each worker.
QUEUES = Path("/opt/airflow/smoke-test/queues.json")

with DAG(
    "lakehouse_smoke_test",
    description="Runs a task on each worker; the playbook triggers it, and so may you",
    schedule=None,
    is_paused_upon_creation=False,
    # A run does not end before each worker has run or skipped its task, and one may be down for long.
    max_active_runs=1000,
    tags=["lakehouse"],
):

    @task
    def run_on(worker: str) -> str:
        """Fail unless this runs on the worker it was meant for."""
        context = get_current_context()
        chosen = (context["dag_run"].conf or {}).get("workers")
        if chosen and worker not in chosen:
            raise AirflowSkipException(f"{worker} is not to be tested in this run")
        # A host may run several workers, with its name and others.
        if (name := os.environ.get("AIRFLOW__LAKEHOUSE__WORKER", context["ti"].hostname)) != worker:
            raise RuntimeError(f"meant for {worker}, ran on {name}")
        return worker

    # A worker has no such file: there, only the task that it is about to run matters, not its queue.
    if running := get_parsing_context().task_id:
        queues = {running: "default"}
    else:
        queues = json.loads(QUEUES.read_text()) if QUEUES.exists() else {}
    for worker, queue in queues.items():
        run_on.override(task_id=worker, queue=queue)(worker)
