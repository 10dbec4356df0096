"""The stages of `make test`: what is recorded of each, and how the run is summed up."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import junit_record
import junit_summary
import pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
<testsuites><testsuite timestamp="2026-01-01T00:00:00" time="5">
  <testcase classname="a" name="one"/>
  <testcase classname="a" name="two"><failure message="assert 1 == 2&#10;more"/></testcase>
  <testcase classname="a" name="three"><error message="no fixture"/></testcase>
  <testcase classname="a" name="four"><skipped/></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "junit"
    for module in (junit_record, junit_summary):
        monkeypatch.setattr(module, "REPORTS", directory)
    return directory


def record(monkeypatch: pytest.MonkeyPatch, name: str, program: str) -> int:
    monkeypatch.setattr(sys, "argv", ["junit_record.py", name, sys.executable, "-c", program])
    return junit_record.main()


def test_a_command_is_named_when_it_starts_and_timed_when_it_ends(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record(monkeypatch, "molecule-split", "raise SystemExit('no such host')") == 1
    first, output, last = capsys.readouterr().out.splitlines()
    assert first.startswith(">>> molecule-split: started at ")
    assert output == "no such host"
    assert last.startswith(">>> molecule-split: failed after 0:0")
    (stage,) = junit_summary.stages(reports)
    assert stage.failed == ["command-molecule-split: command.molecule-split: exit code 1\n    no such host"]


OUTPUT = """
TASK [postgres : Restart PostgreSQL] *******
\x1b[0;32mok: [control1]\x1b[0m
\x1b[0;31mfatal: [control2]: FAILED! =>\x1b[0m
\x1b[0;31m    msg: no space left\x1b[0m

TASK [valkey : Restart Valkey] *******
ok: [control1]

PLAY RECAP *******
"""


def test_a_failed_run_of_ansible_is_shown_by_its_failed_tasks() -> None:
    assert junit_record.excerpt(OUTPUT).splitlines() == [
        "TASK [postgres : Restart PostgreSQL]",
        "fatal: [control2]: FAILED! =>",
        "    msg: no space left",
    ]


def test_any_other_failed_command_is_shown_by_its_last_lines() -> None:
    lines = [f"line {number}\x00" for number in range(100)]
    assert junit_record.excerpt("\n".join(lines)).splitlines() == [
        f"line {number}" for number in range(85, 100)
    ]


def test_a_daemon_that_a_command_leaves_behind_is_not_waited_for(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic()
    program = "import subprocess; subprocess.Popen(['sleep', '30'])"
    assert record(monkeypatch, "engine", program) == 0
    assert time.monotonic() - start < 15
    (stage,) = junit_summary.stages(reports)
    assert stage.passed == 1


def test_the_summary_has_a_row_for_each_stage_and_ends_with_the_totals(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("unit", "molecule-default", "lint"):  # in the order in which they ran
        record(monkeypatch, name, "")
    for name in ("molecule-default-tests", "molecule-default-tests_scaled"):
        (reports / f"{name}.xml").write_text(TESTS, encoding="utf-8")
    capsys.readouterr()
    assert junit_summary.main() == 1
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[1:6]]
    assert [(name, passed, failed) for name, _time, passed, failed in rows] == [
        ("stage", "passed", "failed"),
        ("unit", "1", "0"),
        ("molecule-default", "3", "4"),
        ("lint", "1", "0"),
        ("all", "5", "4"),
    ]
    assert "FAILED molecule-default-tests: a.two: assert 1 == 2" in lines
    assert lines[-1] == "5 passed, 4 failed"


def test_a_run_without_tests_fails(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not reports.exists()
    assert junit_summary.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 0 failed"


def test_the_total_time_counts_stages_beside_each_other_once() -> None:
    rows = [
        junit_summary.Stage("lint", "2026-01-01T00:00:00+00:00", 100),
        junit_summary.Stage("unit", "2026-01-01T00:00:10+00:00", 60),
        junit_summary.Stage("molecule-split", "2026-01-01T00:01:50+00:00", 30),
        junit_summary.Stage("a report alone"),
    ]
    assert junit_summary.elapsed(rows) == 140
    assert junit_summary.elapsed(rows[-1:]) == 0


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3725, "62:05")])
def test_durations_are_minutes_and_seconds(seconds: float, text: str) -> None:
    assert junit_summary.clock(seconds) == text
