"""The checks of files before a delivery, as hosts run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def run_check(
    script: Path, directory: Path, environment: Mapping[str, str], **variables: str
) -> tuple[int, list[str]]:
    """Return the exit code and the lines of the check of a directory.

    :param environment: of the services, which the check reads from its standard input
    :param variables: further ones of the process
    """
    done = subprocess.run(
        [sys.executable, "-c", script.read_text(encoding="utf-8"), str(directory)],
        input=json.dumps(environment),
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout.splitlines()
