"""Write the bill of materials of a lock file, as CycloneDX, and check that no package is missing."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from locks import locked

CYCLONEDX = Path(".cache/audit-venv/bin/cyclonedx-py")


def differences(lock: str, bill: dict[str, Any]) -> list[str]:
    """Return the packages that are in the lock file or in the bill of materials, and not in the other one."""
    components = {f"{component['name']}=={component['version']}" for component in bill["components"]}
    return sorted(components ^ set(locked(lock)))


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    # It checks the file with the schema of CycloneDX.
    subprocess.run(
        [
            *(CYCLONEDX, "requirements", options.lock, "--output-reproducible"),
            *("--output-format", "JSON", "--output-file", options.output),
        ],
        check=True,
    )
    bill = json.loads(options.output.read_text(encoding="utf-8"))
    if differing := differences(options.lock.read_text(encoding="utf-8"), bill):
        sys.exit(f"{options.output} and {options.lock} differ: {', '.join(differing)}")
    print(f"{options.output}: {len(bill['components'])} packages")


if __name__ == "__main__":
    main()
