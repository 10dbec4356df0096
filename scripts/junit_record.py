"""junit_record.py NAME COMMAND...: run a command and record its success and its time in .cache/junit.

So a linter, a converge or an idempotence check counts like a test.
"""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

from junit_summary import PREFIX, REPORTS, clock


def report(name: str, code: int, started: datetime, seconds: float) -> ET.Element:
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
        ET.SubElement(case, "failure", message=f"exit code {code}")
    return suite


def main() -> int:
    name, command = sys.argv[1], sys.argv[2:]
    started, start = datetime.now(UTC), time.monotonic()
    print(f">>> {name}: started at {datetime.now().astimezone():%H:%M:%S}", flush=True)
    code = subprocess.run(command, check=False).returncode
    seconds = time.monotonic() - start
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{PREFIX}{name}.xml"
    ET.ElementTree(report(name, code, started, seconds)).write(path, encoding="unicode")
    print(f">>> {name}: {'failed' if code else 'passed'} after {clock(seconds)} min", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
