"""Mapped tasks: one task in the code becomes as many in a run as its list has entries.

All workers that read the queue `default` share them, so with more workers a run ends sooner. The log of the
task `count` says how many each worker ran.
"""

from __future__ import annotations

import time
from collections import Counter

from airflow.sdk import dag, get_current_context, task


@dag(
    schedule=None,  # runs when it is triggered, and only then
    is_paused_upon_creation=False,  # a run that is triggered starts at once
    params={"parts": 12},  # the form of the button "Trigger" asks for them
    tags=["example"],
    doc_md=__doc__,
)
def example_workers() -> None:
    @task
    def split() -> list[int]:
        return list(range(get_current_context()["params"]["parts"]))

    @task
    def work(part: int) -> str:
        time.sleep(2)
        print(f"Part {part} is done")  # what a task prints is in its log
        return str(get_current_context()["ti"].hostname)

    @task
    def count(workers: list[str]) -> dict[str, int]:
        parts = dict(Counter(workers))
        print(f"Parts that each worker did: {parts}")
        return parts  # what a task returns is in the tab "XCom"

    # How many tasks `work` becomes is known when `split` has run.
    count(work.expand(part=split()))


example_workers()
