"""Tasks that run while the tests inject faults. The run's conf says how many seconds each of them takes."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

HEARTBEATS = Path("/var/tmp/lab-heartbeats")  # noqa: S108 - unlike /tmp, shared by all units
INTERVAL = 0.25
MAX_ACTIVE = 64


def write_heartbeat(context: dict[str, Any]) -> None:
    """Write on this host that this try of this task runs now: a killed process cannot write when it ended."""
    instance = context["ti"]
    line = {
        "task": f"{instance.task_id}[{instance.map_index}]",
        "try": instance.try_number,
        "pid": os.getpid(),
        "time": time.time(),
    }
    with (HEARTBEATS / f"{instance.run_id}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def work(number: int, **context: Any) -> None:
    """Run as long as configured on the first try, or until memory runs out; for a second on later tries."""
    conf, first = context["dag_run"].conf, context["ti"].try_number == 1
    HEARTBEATS.mkdir(exist_ok=True)
    deadline = time.monotonic() + (conf["seconds"][number] if first else 1)
    allocated = []
    while True:
        write_heartbeat(context)
        if time.monotonic() >= deadline:
            return
        if first and number in conf.get("allocating", []):
            allocated.append(os.urandom(1 << 20) * 64)
        time.sleep(INTERVAL)


# A queue named host.NAME is read by the worker NAME only.
for name, queue, count in [
    ("lab_one", "default", 1),
    ("lab_two", "default", 2),
    ("lab_six", "default", 6),
    ("lab_fifty", "default", 50),
    ("lab_worker1", "host.worker1", 1),
    ("lab_worker1_two", "host.worker1", 2),
    ("lab_worker1_four", "host.worker1", 4),
    ("lab_worker2", "host.worker2", 1),
    ("lab_worker2_two", "host.worker2", 2),
    ("lab_worker3_two", "host.worker3", 2),
]:
    with DAG(
        name,
        description=f"{count} tasks in the queue {queue}, each as long as the run's conf says",
        schedule=None,
        max_active_tasks=MAX_ACTIVE,
        is_paused_upon_creation=False,
        tags=["lab"],
    ):
        task(queue=queue, retries=2, retry_delay=timedelta(seconds=1))(work).expand(number=list(range(count)))
