"""Count the tests in .cache/junit and end with "N passed, N failed"; fail when one failed or none ran."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / ".cache" / "junit"


def count(folder: Path) -> tuple[int, list[str]]:
    """Give the number that passed and what failed, with its reason."""
    passed = 0
    failed: list[str] = []
    for path in sorted(folder.glob("*.xml")):
        for case in ET.parse(path).iter("testcase"):  # noqa: S314 - our own reports
            fault = case.find("failure")
            fault = case.find("error") if fault is None else fault
            if fault is not None:
                reason = (fault.get("message") or "").partition("\n")[0]
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
