"""Runs of the product, as a user starts them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testlib.lab import PROJECT

TOOLS = Path(sys.executable).parent
RECAP = re.compile(r"^(?P<host>\S+) +: ok=\d+ +changed=(?P<changed>\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class Play:
    code: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """Give the number of changes on each host of the recap."""
        return {match["host"]: int(match["changed"]) for match in RECAP.finditer(self.output)}

    @property
    def text(self) -> str:
        """Give the output with every line break and run of blanks as one blank."""
        return " ".join(self.output.split())

    def assert_passed(self) -> Play:
        assert self.code == 0, self.output[-6000:]
        return self


def tool(name: str, *args: str, cwd: Path = PROJECT, **environment: str) -> Play:
    """Run one of Ansible's tools with nothing of what surrounds the tests but the path."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "MOLECULE_"))}
    done = subprocess.run(
        [str(TOOLS / name), *args],
        cwd=cwd,
        env={**clean, "ANSIBLE_NOCOLOR": "1", "PATH": f"{TOOLS}:{clean['PATH']}", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    return Play(done.returncode, done.stdout)


def play(inventory: Path, *args: str) -> Play:
    """Run site.yml from the clone."""
    return tool("ansible-playbook", f"--inventory={inventory}", *args, "site.yml")
