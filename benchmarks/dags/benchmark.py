"""Tasks that do nothing, so that only the cost of running them is measured."""

from __future__ import annotations

import time

from airflow.sdk import DAG, task
from airflow.sdk.bases.operator import chain

options = {"is_paused_upon_creation": False, "tags": ["benchmark"]}


@task
def nothing(number: int) -> None: ...


@task
def wait(number: int) -> None:  # noqa: ARG001 - one task per number
    time.sleep(60)


with DAG("wait_32", max_active_tasks=32, schedule=None, **options):
    wait.expand(number=list(range(32)))

for size in (2, 50, 200, 1000):
    with DAG(f"wide_{size}", max_active_tasks=size, schedule=None, **options):
        nothing.expand(number=list(range(size)))

with DAG("chain_20", schedule=None, **options):
    chain(*(nothing.override(task_id=f"link_{number}")(number) for number in range(20)))
