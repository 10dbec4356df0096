"""Print the failed tests of .cache/junit and "N passed, N failed"; fail when a test failed or none ran."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / ".cache" / "junit"


def count(directory: Path) -> tuple[int, list[str]]:
    """Return the number of passed tests, and the failed ones with their message."""
    passed = 0
    failed: list[str] = []
    for path in sorted(directory.glob("*.xml")):
        for case in ET.parse(path).iter("testcase"):  # noqa: S314 - our own reports
            failure = case.find("failure")
            failure = case.find("error") if failure is None else failure
            if failure is not None:
                reason = (failure.get("message") or "").partition("\n")[0]
                failed.append(f"{path.stem}: {case.get('classname')}.{case.get('name')}: {reason}")
            elif case.find("skipped") is None:
                passed += 1
    return passed, failed


def main() -> int:
    passed, failed = count(REPORTS)
    for name in failed:
        print(f"FAILED {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
