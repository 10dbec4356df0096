"""How long a cluster takes from the end of a fault to its next finished task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testlib.cluster import PROJECT

if TYPE_CHECKING:
    from testlib.airflow_api import Run


def record_recovery(fault: str, fault_end: float, *runs: Run) -> None:
    """Append to .cache/reliability/FAULT.jsonl the seconds until a task of the runs ended."""
    ends = (task.end.timestamp() for run in runs for task in run.tasks() if task.end)
    seconds = min(end for end in ends if end > fault_end) - fault_end
    file = PROJECT / ".cache" / "reliability" / f"{fault}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as report:
        report.write(json.dumps({"fault_end": round(fault_end, 3), "seconds": round(seconds, 3)}) + "\n")
