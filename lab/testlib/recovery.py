"""How long a cluster takes from a fault's end to its next finished task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testlib.lab import PROJECT

if TYPE_CHECKING:
    from testlib.airflow import Run


def recovered(row: str, mended: float, *runs: Run) -> None:
    """Keep in .cache/reliability the seconds until the next end of a task of the runs."""
    ends = (task.end.timestamp() for run in runs for task in run.tasks() if task.end)
    seconds = min(end for end in ends if end > mended) - mended
    file = PROJECT / ".cache" / "reliability" / f"{row}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as report:
        report.write(json.dumps({"mended": round(mended, 3), "seconds": round(seconds, 3)}) + "\n")
