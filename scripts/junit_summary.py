"""Print the stages of .cache/junit with their times, what failed and why, and "N passed, N failed".

Fails when a test failed or none ran.
"""

from __future__ import annotations

import sys
import textwrap
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / ".cache" / "junit"
# How the report on a command begins, by junit_record.py. The command's own reports have its name in front.
PREFIX = "command-"


@dataclass
class Stage:
    """A command and what it reported: a linter, the unit tests, a scenario."""

    name: str
    started: str = ""
    seconds: float = 0
    passed: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, path: Path) -> None:
        tree = ET.parse(path)  # noqa: S314 - our own reports
        for case in tree.iter("testcase"):
            failure = case.find("failure")
            failure = case.find("error") if failure is None else failure
            if failure is not None:
                reason = (failure.get("message") or "").partition("\n")[0]
                self.failed.append(f"{path.stem}: {case.get('classname')}.{case.get('name')}: {reason}")
                # Of a test, pytest has shown the rest.
                if path.stem.startswith(PREFIX) and failure.text:
                    self.failed[-1] += "\n" + textwrap.indent(failure.text, "    ")
            elif case.find("skipped") is None:
                self.passed += 1
        if path.stem.startswith(PREFIX):
            suite = next(tree.iter("testsuite"))
            self.started, self.seconds = suite.get("timestamp", ""), float(suite.get("time", 0))


def stages(directory: Path) -> list[Stage]:
    """Return the stages in the order in which they started; a report without a command is one of its own."""
    paths = sorted(directory.glob("*.xml"))
    commands = {path.stem.removeprefix(PREFIX) for path in paths if path.stem.startswith(PREFIX)}
    found: dict[str, Stage] = {}
    for path in paths:
        stem = path.stem.removeprefix(PREFIX)
        owners = [name for name in commands if stem == name or stem.startswith(f"{name}-")]
        name = max(owners, key=len, default=stem)
        found.setdefault(name, Stage(name)).add(path)
    return sorted(found.values(), key=lambda stage: stage.started)


def clock(seconds: float) -> str:
    """Return a duration as minutes:seconds."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def elapsed(rows: list[Stage]) -> float:
    """Return the seconds from the first start to the last end: some stages run beside each other."""
    times = [(datetime.fromisoformat(row.started).timestamp(), row.seconds) for row in rows if row.started]
    return max((start + seconds for start, seconds in times), default=0) - min(times, default=(0, 0))[0]


def table(rows: list[Stage]) -> list[str]:
    passed, failed = sum(row.passed for row in rows), sum(len(row.failed) for row in rows)
    total = ("all", clock(elapsed(rows)), passed, failed)
    cells = [(row.name, clock(row.seconds), row.passed, len(row.failed)) for row in rows]
    return [
        f"{name:<24}{time:>8}{ok:>8}{bad:>8}"
        for name, time, ok, bad in [("stage", "min:s", "passed", "failed"), *cells, total]
    ]


def main() -> int:
    rows = stages(REPORTS)
    print("", *table(rows), "", sep="\n")
    failed = [test for row in rows for test in row.failed]
    for test in failed:
        print(f"FAILED {test}")
    passed = sum(row.passed for row in rows)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
