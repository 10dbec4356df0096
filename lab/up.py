"""Create the cluster of the lab: show each phase and its time, and keep the output of all commands in a log.

It runs before anything is installed, so it imports nothing but the standard library.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LOG = ROOT / ".cache" / "log" / "up.log"
LAB = ROOT / ".cache" / "lab" / "default"
CONVERGE = ROOT / "lab" / "playbooks" / "converge.yml"
LINES_SHOWN = 20
ERRORS_SHOWN = 5

# A play, or the import of a playbook, with its name in front, as ansible-lint wants it.
PLAY = re.compile(
    r"^- name: (?P<name>.+)(?:(?:\n .*)*?\n  ansible\.builtin\.import_playbook: (?P<playbook>\S+))?",
    re.MULTILINE,
)
COLOR = re.compile(r"\x1b\[[0-9;]*m")
STARTED_PLAY = re.compile(r"PLAY \[(?P<name>.+)\] \*")


def plays(playbook: Path, phase: str = "") -> Iterator[tuple[str, str]]:
    """Yield the plays of a playbook in order, each with its phase: the innermost import that runs it."""
    for match in PLAY.finditer(playbook.read_text(encoding="utf-8")):
        if match["playbook"]:
            yield from plays(playbook.parent / match["playbook"], match["name"].strip("\"'"))
        else:
            yield match["name"].strip("\"'"), phase


class Phases:
    """The lines on the screen: one for each phase that took a second or more, or failed."""

    def __init__(self) -> None:
        self.name = ""
        self.failed = False
        # What Ansible says of failed tasks: far from the end, if the run went on with the other hosts.
        self.errors: list[str] = []
        self.start = self.first = time.monotonic()

    def begin(self, name: str) -> None:
        if name == self.name:
            return
        self.end()
        self.name, self.start, self.failed = name, time.monotonic(), False
        if sys.stdout.isatty():
            print(f"  {name} ...", end="", flush=True)

    def error(self, message: str) -> None:
        self.failed = True
        if message not in self.errors:
            self.errors.append(message)

    def end(self, result: str = "") -> None:
        seconds = time.monotonic() - self.start
        result = result or ("failed" if self.failed else "")
        if sys.stdout.isatty():
            print("\r\033[K", end="")
        if self.name and (seconds >= 1 or result):
            print(f"  {self.name:<70}{clock(seconds):>6}  {result}".rstrip(), flush=True)
        self.name = ""

    def total(self) -> str:
        return clock(time.monotonic() - self.first)


def clock(seconds: float) -> str:
    """Return a duration as minutes:seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def run(command: list[str], phases: Phases, order: list[tuple[str, str]], log: TextIO) -> int:
    """Run a command with its output in the log. The plays that it says to have started begin their phases."""
    print(f"$ {' '.join(command)}", file=log, flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    position = 0
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for colored in process.stdout:
            line = COLOR.sub("", colored)
            log.write(line)
            log.flush()
            if line.startswith("[ERROR]: "):
                phases.error(line.removeprefix("[ERROR]: ").rstrip())
            if not (started := STARTED_PLAY.match(line)):
                continue
            # From here on, because two plays may have the same name.
            for index in range(position, len(order)):
                if order[index][0] == started["name"]:
                    phases.begin(order[index][1])
                    position = index + 1
                    break
    return process.returncode


def run_all(steps: list[tuple[str, list[str]]], order: list[tuple[str, str]]) -> int:
    """Run the commands up to the first that fails, and return its exit code."""
    phases = Phases()
    with LOG.open("w", encoding="utf-8") as log:
        for phase, command in steps:
            phases.begin(phase)
            try:
                code = run(command, phases, order, log)
            except KeyboardInterrupt:
                phases.end("interrupted")
                return 130
            if code:
                phases.end("" if phases.errors else "failed")
                show_failure(command, phases.errors)
                return code
    phases.end()
    print(f"Ready after {phases.total()}")
    return 0


def show_failure(command: list[str], errors: list[str]) -> None:
    with LOG.open(encoding="utf-8") as log:
        last = list(deque(map(str.rstrip, log), LINES_SHOWN))
    print(f"\nThe end of {LOG}:\n", *last, sep="\n")
    print(f"\nFailed: {' '.join(command)}")
    for error in errors[:ERRORS_SHOWN]:
        print(f"- {error}")
    print(f"The whole output is in {LOG}")


def main() -> int:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    # Ansible warns of an inventory that does not exist; the first play writes the real one.
    LAB.mkdir(mode=0o700, parents=True, exist_ok=True)
    inventory = LAB / "hosts.yml"
    if not inventory.exists():
        inventory.write_text("all: {}\n", encoding="utf-8")

    order = list(plays(CONVERGE))
    engine = "lab/engine.sh"
    steps = [
        ("Install the controller tools", ["make", "venv"]),
        ("Start the Docker engine", [engine]),
        ("Build the image of the hosts", [engine, "lab/image/build.sh", "trixie"]),
        (order[0][1], [engine, "molecule", "converge", "-s", "default"]),
    ]
    print(f"The output of all commands is in {LOG.relative_to(ROOT)}")
    return run_all(steps, order)


if __name__ == "__main__":
    sys.exit(main())
