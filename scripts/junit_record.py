"""junit_record.py NAME COMMAND...: run a command and record in .cache/junit whether it succeeded.

So a linter, a converge or an idempotence check counts like a test.
"""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / ".cache" / "junit"


def report(name: str, code: int, seconds: float) -> ET.Element:
    suite = ET.Element(
        "testsuite", name="command", tests="1", failures=str(int(code != 0)), errors="0", skipped="0"
    )
    case = ET.SubElement(suite, "testcase", classname="command", name=name, time=f"{seconds:.1f}")
    if code:
        ET.SubElement(case, "failure", message=f"exit code {code}")
    return suite


def main() -> int:
    name, command = sys.argv[1], sys.argv[2:]
    print(f">>> {name}", flush=True)
    start = time.monotonic()
    code = subprocess.run(command, check=False).returncode
    seconds = time.monotonic() - start
    REPORTS.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(report(name, code, seconds)).write(REPORTS / f"command-{name}.xml", encoding="unicode")
    print(f">>> {name}: {'failed' if code else 'passed'} in {seconds:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
