"""Trigger a DAG of the lab and print where each task ran, as they end: `make trigger DAG=example_workers`."""

from __future__ import annotations

import os
import sys
import time
from urllib.parse import quote

from testlib import Cluster, TaskInstance

TIMEOUT = 120
SHOWN = {"success", "failed", "skipped", "upstream_failed", "up_for_retry"}
ENDED = {"success", "failed"}


def line(task: TaskInstance) -> str:
    number = f" [{task.map_index}]" if task.map_index >= 0 else ""
    tries = f" on try {task.try_number}" if task.try_number > 1 else ""
    return f"  {task.task_id + number:<20} {task.hostname or '-':<12} {task.state}{tries}"


def main() -> int:
    try:
        airflow = Cluster("default").airflow()
    except (KeyError, OSError) as error:
        sys.exit(f"No cluster answers ({error}). Create one with: make up")
    dag_id = sys.argv[1]
    if not airflow.has_dag(dag_id):
        known = ", ".join(sorted(dag["dag_id"] for dag in airflow.call("GET", "dags")["dags"]))
        sys.exit(f"There is no DAG {dag_id}. These are known: {known}")
    run = airflow.trigger(dag_id)
    port = os.environ.get("LAB_UI_PORT", "8080")
    print(f"http://localhost:{port}/dags/{dag_id}/runs/{quote(run.run_id)}", flush=True)

    printed: set[str] = set()
    deadline = time.monotonic() + TIMEOUT
    while True:
        state = airflow.call("GET", run.path)["state"]
        tasks = run.tasks()
        for text in [line(task) for task in tasks if task.state in SHOWN]:
            if text not in printed:
                print(text, flush=True)
                printed.add(text)
        if state in ENDED:
            print(f"The run has ended: {state}")
            return int(state != "success")
        if time.monotonic() > deadline:
            waiting = ", ".join(
                f"{t.task_id} ({t.state}, queue {t.queue})" for t in tasks if t.state not in SHOWN
            )
            sys.exit(f"The run has not ended after {TIMEOUT} s: {waiting}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
