"""Ansible's commands, as a user runs them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testlib.cluster import PROJECT
from testlib.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

BIN = Path(sys.executable).parent
RECAP = re.compile(r"^(?P<host>\S+) +: ok=\d+ +changed=(?P<changed>\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    returncode: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """Return the number of changes on each host of the recap."""
        return {match["host"]: int(match["changed"]) for match in RECAP.finditer(self.output)}

    @property
    def text(self) -> str:
        """Return the output with each run of white space replaced by one space."""
        return " ".join(self.output.split())

    def assert_success(self) -> Result:
        assert self.returncode == 0, self.output[-6000:]
        return self


def run_command(name: str, *args: str, cwd: Path = PROJECT, **environment: str) -> Result:
    """Run a command of the controller's environment without the variables that Molecule and Ansible set."""
    done = subprocess.run(
        [str(BIN / name), *args],
        cwd=cwd,
        env={**controller_environment(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
        check=False,
    )
    return Result(done.returncode, done.stdout)


def controller_environment() -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "MOLECULE_"))}
    return {**inherited, "ANSIBLE_NOCOLOR": "1", "PATH": f"{BIN}:{inherited['PATH']}"}


def run_site(inventory: Path, *args: str) -> Result:
    """Run site.yml of this clone."""
    return run_command("ansible-playbook", f"--inventory={inventory}", *args, "site.yml")


def run_playbook(inventory: Path, name: str, *args: str, **environment: str) -> Result:
    """Run a playbook of ``playbooks/``, by its name without the suffix."""
    command = (f"--inventory={inventory}", *args, f"playbooks/{name}.yml")
    return run_command("ansible-playbook", *command, cwd=PROJECT, **environment)


def killed_playbook(inventory: Path, name: str, *args: str, reached: Callable[[str], object]) -> None:
    """Run a playbook of ``playbooks/`` until its output is accepted, then kill it with all its processes."""
    command = [str(BIN / "ansible-playbook"), f"--inventory={inventory}", *args, f"playbooks/{name}.yml"]
    with (
        tempfile.NamedTemporaryFile() as output,
        subprocess.Popen(
            command,
            cwd=PROJECT,
            env=controller_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):

        def text() -> str:
            return Path(output.name).read_text(encoding="utf-8", errors="replace")

        def is_reached() -> bool:
            assert process.poll() is None, f"{name}.yml has ended by itself"
            return bool(reached(text()))

        try:
            wait_for(f"the point at which {name}.yml is killed", is_reached, timeout=500)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{text()[-3000:]}") from error
        finally:
            # All of them may have ended.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
