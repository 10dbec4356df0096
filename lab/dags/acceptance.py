"""What the acceptance tests run."""

from __future__ import annotations

import logging
import socket
import subprocess
import time

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

log = logging.getLogger(__name__)
given = {"is_paused_upon_creation": False, "tags": ["lab"]}

with DAG("lab_where", description="One task that says where it runs", schedule=None, **given):

    @task
    def where() -> str:
        log.info("This line was written on %s", socket.gethostname())
        return socket.gethostname()

    where()

with DAG("lab_queues", description="One task a queue", schedule=None, **given):

    @task
    def light() -> str:
        return socket.gethostname()

    @task(queue="heavy")
    def heavy() -> str:
        return socket.gethostname()

    light()
    heavy()

with DAG("lab_spread", description="Six tasks at once, of three seconds each", schedule=None, **given):

    @task
    def spread(number: int) -> int:
        time.sleep(3)
        return number

    spread.expand(number=list(range(6)))

with DAG(
    "lab_stop",
    description="Tasks that end six seconds after their worker was told to stop",
    schedule=None,
    **given,
):

    @task
    def python() -> None:
        state, deadline = "", time.monotonic() + 300
        while state != "deactivating" and time.monotonic() < deadline:
            time.sleep(0.5)
            command = ["systemctl", "is-active", "airflow-worker"]
            state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        time.sleep(6)

    python()
    BashOperator(
        task_id="bash",
        bash_command="""
            until [ "$(systemctl is-active airflow-worker)" = deactivating ] || [ $SECONDS -gt 300 ]; do
                sleep 0.5
            done
            sleep 6
        """,
    )
