"""Old logs are removed, and never one that a process has open."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

DAY = 86400
MB = 1 << 20


@pytest.fixture(scope="module")
def program() -> Any:
    path = Path(__file__).parents[1] / "files" / "task_logs.py"
    spec = importlib.util.spec_from_file_location("task_logs", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks for the module.
    sys.modules["task_logs"] = module
    spec.loader.exec_module(module)
    return module


def write(path: Path, days: float, size: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    at = time.time() - days * DAY
    os.utime(path, (at, at))
    return path


def test_by_age(program: Any, tmp_path: Path) -> None:
    old, new = write(tmp_path / "a" / "1.log", 11), write(tmp_path / "a" / "2.log", 9)
    assert program.clean(tmp_path, 10, 0, time.time())[0] == 1
    assert not old.exists()
    assert new.exists()


def test_by_size_the_oldest_first(program: Any, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.log", number, MB) for number in range(4)]
    assert program.clean(tmp_path, 0, 2 * MB + MB // 2, time.time()) == (2, 2 * MB)
    assert [path.exists() for path in paths] == [True, True, False, False]


def test_an_open_log_stays(program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "1.log", 100, MB)
    with path.open("ab"):
        assert program.clean(tmp_path, 1, 1, time.time())[0] == 0
    assert "it is open" in capsys.readouterr().out
    assert program.clean(tmp_path, 1, 1, time.time())[0] == 1


def test_links_are_not_followed(program: Any, tmp_path: Path) -> None:
    outside, inside = write(tmp_path / "outside" / "1.log", 100), tmp_path / "logs"
    inside.mkdir()
    (inside / "latest").symlink_to(outside.parent)
    (inside / "1.log").symlink_to(outside)
    assert program.clean(inside, 1, 1, time.time()) == (0, 0)
    assert outside.exists()


def test_empty_directories_go_when_they_are_old(program: Any, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "below", tmp_path / "new"
    old.mkdir(parents=True)
    new.mkdir()
    for path in (old, old.parent):
        os.utime(path, (0, 0))
    program.clean(tmp_path, 1, 0, time.time())
    assert not old.exists()
    assert new.exists()
