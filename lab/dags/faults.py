"""Tasks to break a cluster under: how long each takes is said when a run is triggered."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

BEATS = Path("/var/tmp/lab-beats")  # noqa: S108 - unlike /tmp, not a unit's own
BEAT = 0.25
MAX_ACTIVE = 64


def beat(context: dict[str, Any]) -> None:
    """Say on this host that this try of this task is running now: what was killed cannot say it ended."""
    instance = context["ti"]
    line = {
        "task": f"{instance.task_id}[{instance.map_index}]",
        "try": instance.try_number,
        "pid": os.getpid(),
        "time": time.time(),
    }
    with (BEATS / f"{instance.run_id}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def work(number: int, **context: Any) -> None:
    """Run on the first try for as long as asked for, or out of memory; on a later one for a second."""
    conf, first = context["dag_run"].conf, context["ti"].try_number == 1
    BEATS.mkdir(exist_ok=True)
    deadline = time.monotonic() + (conf["seconds"][number] if first else 1)
    hoard = []
    while True:
        beat(context)
        if time.monotonic() >= deadline:
            return
        if first and number in conf.get("hungry", []):
            hoard.append(os.urandom(1 << 20) * 64)
        time.sleep(BEAT)


# Queues named host.* are read by that worker alone.
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
]:
    with DAG(
        name,
        description=f"Tasks for the queue {queue}, as long as asked for: {count}",
        schedule=None,
        max_active_tasks=MAX_ACTIVE,
        is_paused_upon_creation=False,
        tags=["lab"],
    ):
        task(queue=queue, retries=2, retry_delay=timedelta(seconds=1))(work).expand(number=list(range(count)))
