"""What `make up` shows of the commands that it runs."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import up
import yaml

if TYPE_CHECKING:
    from pathlib import Path


def test_each_play_of_the_product_belongs_to_a_phase() -> None:
    order = list(up.plays(up.CONVERGE))
    phases = list(dict.fromkeys(phase for _play, phase in order))
    site = yaml.safe_load((up.ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"))
    assert "" not in phases
    assert phases[0] == "Create and start the lab's containers"
    # An import that is one of plays, and not of more imports, is a phase.
    assert phases[-1] == site[-1]["name"]


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times that the phases read, one after the other."""
    times: list[float] = []
    monkeypatch.setattr(up, "time", SimpleNamespace(monotonic=lambda: times.pop(0)))
    return times


def run(output: str, order: list[tuple[str, str]], code: int = 0) -> tuple[int, str]:
    """Run a command with this output, and return its exit code and the log."""
    log = io.StringIO()
    phases = up.Phases()
    phases.begin("Create the hosts")
    program = f"print({output!r}); raise SystemExit({code})"
    result = up.run([sys.executable, "-c", program], phases, order, log)
    phases.end()
    return result, log.getvalue()


def test_a_phase_begins_with_its_first_play_and_is_shown_if_it_took_a_second(
    ticks: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    order = [("Check", "Checks"), ("Install", "Database"), ("Check", "Database"), ("Check", "Broker")]
    output = "\n".join(f"PLAY [{play}] ****" for play in ["Check", "Install", "unknown", "Check", "Check"])
    # The first, then for each phase when the one before it ends and when it begins.
    ticks += [0, 0, 0, 62, 62, 62.5, 62.5, 70, 70, 73]
    code, log = run(output, order)
    assert code == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["Create", "the", "hosts", "1:02"],
        ["Database", "0:07"],
        ["Broker", "0:03"],
    ]
    assert output in log


def test_a_failed_task_marks_its_phase_though_the_run_goes_on(
    ticks: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    ticks += [0, 0, 0, 0.5, 0.5, 9]
    phases = up.Phases()
    phases.begin("Checks")
    phases.error("one")
    phases.begin("Database")
    phases.end()
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["Checks", "0:00", "failed"],
        ["Database", "0:08"],
    ]


def test_the_exit_code_is_that_of_the_command() -> None:
    assert run("", [], code=4)[0] == 4


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log" / "up.log"
    for name, value in {"ROOT": tmp_path, "LOG": log, "LAB": tmp_path / "lab"}.items():
        monkeypatch.setattr(up, name, value)
    (tmp_path / "Makefile").write_text(
        "venv:\n\t@for i in $$(seq 50); do echo line $$i; done; false\n", encoding="utf-8"
    )
    assert up.main() == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["Install", "the", "controller", "tools", "0:00", "failed"]
    assert "line 50" in lines
    assert "line 1" not in lines
    assert lines[-1] == f"The whole output is in {log}"
    assert "line 1\n" in log.read_text(encoding="utf-8")
