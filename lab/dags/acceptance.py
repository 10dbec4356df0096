"""What the acceptance tests run."""

from __future__ import annotations

import logging
import os
import subprocess
import time

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Context, get_current_context, task

log = logging.getLogger(__name__)
options = {"is_paused_upon_creation": False, "tags": ["lab"]}


def log_host() -> None:
    """Log the name under which Airflow knows this host."""
    context: Context = get_current_context()
    log.info("This line was written on %s", context["ti"].hostname)


def log_worker() -> None:
    """Log the name of the worker, of which a host may have several."""
    log.info("This line was written by %s", os.environ["AIRFLOW__LAKEHOUSE__WORKER"])


def wait_for_stop(unit: str) -> None:
    """Return six seconds after systemd began to stop a unit."""
    state, deadline = "", time.monotonic() + 300
    while state != "deactivating" and time.monotonic() < deadline:
        time.sleep(0.5)
        command = ["systemctl", "is-active", unit]
        state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    time.sleep(6)


with DAG("lab_where", description="One task that logs where it runs", schedule=None, **options):
    task(task_id="where")(log_host)()

with DAG("lab_queues", description="One task per queue", schedule=None, **options):
    task(task_id="light")(log_host)()
    task(task_id="heavy", queue="heavy")(log_host)()

with DAG("lab_spread", description="Six tasks at once, of three seconds each", schedule=None, **options):

    @task
    def spread(number: int) -> int:
        time.sleep(3)
        return number

    spread.expand(number=list(range(6)))

with DAG(
    "lab_stop",
    description="Tasks that end six seconds after systemd began to stop their worker",
    schedule=None,
    **options,
):
    task(task_id="python")(wait_for_stop)("airflow-worker")
    BashOperator(
        task_id="bash",
        bash_command="""
            until [ "$(systemctl is-active airflow-worker)" = deactivating ] || [ $SECONDS -gt 300 ]; do
                sleep 0.5
            done
            sleep 6
        """,
    )

# The test of several workers on a host has one for each queue.
with DAG("lab_instances", description="One task for each worker of a host", schedule=None, **options):
    for queue in ("default", "gpu", "long"):
        task(task_id=queue, queue=queue)(log_worker)()

with DAG("lab_instance_stop", description="A task of a worker that is stopped", schedule=None, **options):
    task(task_id="stop", queue="long")(wait_for_stop)("airflow-worker@long")
