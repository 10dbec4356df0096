"""Ask for known vulnerabilities of the packages in lock files, with pip-audit.

Exit code 0: none is known. 1: some are. 2: not every package could be asked for. pip-audit itself says of
such a package that it has no known vulnerabilities.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from locks import locked

PIP_AUDIT = Path(".cache/audit-venv/bin/pip-audit")
# Companies re-sign TLS: trust what this machine trusts.
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def rounds(packages: Iterable[str]) -> list[list[str]]:
    """Return the packages in lists that hold no package in two versions, which pip-audit refuses."""
    found: list[dict[str, str]] = []
    for package in sorted(set(packages)):
        name = package.split("==")[0]
        free = next((names for names in found if name not in names), None)
        if free is None:
            found.append(free := {})
        free[name] = package
    return [list(names.values()) for names in found]


def ask(packages: list[str], service: str) -> tuple[list[dict[str, Any]], str]:
    """Return what pip-audit says of each package, and its last words if it says nothing."""
    environment = {"REQUESTS_CA_BUNDLE": str(BUNDLE)} if BUNDLE.exists() else {}
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(packages))
        file.flush()
        done = subprocess.run(
            [
                *(PIP_AUDIT, "--vulnerability-service", service, "--format=json", "--progress-spinner=off"),
                *("--no-deps", "--disable-pip", "--requirement", file.name),
            ],
            env=environment | os.environ,
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except ValueError:
        return [], (done.stderr.strip() or "pip-audit says nothing").splitlines()[-1]


def judge(packages: list[str], answers: list[dict[str, Any]], error: str) -> tuple[list[str], int]:
    """Return the lines of the report, and the exit code.

    :param packages: those that were asked for
    :param answers: what pip-audit says of them
    :param error: why it does not say it of others
    """
    asked = [answer for answer in answers if "vulns" in answer]
    vulnerable = [
        f"{answer['name']} {answer['version']}: {vulnerability['id']}"
        f", fixed in {', '.join(vulnerability['fix_versions']) or 'no version'}"
        for answer in asked
        for vulnerability in answer["vulns"]
    ]
    missing = len(packages) - len(asked)
    reasons = [answer["skip_reason"] for answer in answers if "skip_reason" in answer]
    unanswered = f"{missing} could not be asked for, for example: {[*reasons, error][0]}" if missing else ""
    summary = (
        f"{len(packages)} packages: {len(asked)} were asked for, {len(vulnerable)} vulnerabilities are known"
    )
    return [*vulnerable, summary, *filter(None, [unanswered])], 1 if vulnerable else 2 if missing else 0


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", choices=["pypi", "osv"], default="pypi", help="whom to ask")
    parser.add_argument("locks", type=Path, nargs="+", help="lock files")
    options = parser.parse_args()
    packages = sorted({name for lock in options.locks for name in locked(lock.read_text(encoding="utf-8"))})
    answers: list[dict[str, Any]] = []
    error = ""
    for part in rounds(packages):
        told, words = ask(part, options.service)
        answers += told
        error = error or words
    lines, code = judge(packages, answers, error)
    print("\n".join(lines))
    sys.exit(code)


if __name__ == "__main__":
    main()
