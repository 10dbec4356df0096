"""junit_record.py NAME COMMAND...: run a command and record its success and its time in .cache/junit.

So a linter, a converge or an idempotence check counts like a test. The report on a failure has the
failed tasks of Ansible, or the last lines of the output.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from threading import Thread
from typing import IO, TYPE_CHECKING

from junit_summary import PREFIX, REPORTS, clock

if TYPE_CHECKING:
    from collections.abc import Iterable

# Colors, and what XML cannot have.
UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f]")
FAILED_TASKS = 3
LAST_LINES = 15


def failed_tasks(lines: Iterable[str]) -> list[str]:
    """Return the failed tasks of Ansible: the heading of each, and its result up to the next empty line."""
    tasks = []
    heading, inside = "", False
    for line in lines:
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            heading = line.rstrip(" *")
        if line.startswith("fatal: "):
            tasks.append(heading)
            inside = True
        inside = inside and bool(line)
        if inside:
            tasks[-1] += f"\n{line}"
    return tasks


def excerpt(output: str) -> str:
    """Return why a command failed: the last tasks of Ansible that failed, or else the last lines."""
    lines = UNPRINTABLE.sub("", output).splitlines()
    return "\n".join(failed_tasks(lines)[-FAILED_TASKS:] or lines[-LAST_LINES:])


def run(command: list[str]) -> tuple[int, str]:
    """Run a command, show its output as it comes, and return the exit code and the output."""
    lines: list[str] = []

    def copy(output: IO[str]) -> None:
        for line in output:
            lines.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()

    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    reader = Thread(target=copy, args=[process.stdout], daemon=True)
    reader.start()
    code = process.wait()
    # A daemon that the command has started may keep the output open.
    reader.join(timeout=5)
    return code, "".join(lines)


def report(name: str, code: int, started: datetime, seconds: float, output: str) -> ET.Element:
    suite = ET.Element(
        "testsuite",
        name="command",
        tests="1",
        failures=str(int(code != 0)),
        errors="0",
        skipped="0",
        timestamp=started.isoformat(),
        time=f"{seconds:.1f}",
    )
    case = ET.SubElement(suite, "testcase", classname="command", name=name, time=f"{seconds:.1f}")
    if code:
        ET.SubElement(case, "failure", message=f"exit code {code}").text = excerpt(output)
    return suite


def main() -> int:
    name, command = sys.argv[1], sys.argv[2:]
    started, start = datetime.now(UTC), time.monotonic()
    print(f">>> {name}: started at {datetime.now().astimezone():%H:%M:%S}", flush=True)
    code, output = run(command)
    seconds = time.monotonic() - start
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{PREFIX}{name}.xml"
    ET.ElementTree(report(name, code, started, seconds, output)).write(path, encoding="unicode")
    print(f">>> {name}: {'failed' if code else 'passed'} after {clock(seconds)} min", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
