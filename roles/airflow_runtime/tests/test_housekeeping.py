"""Of the tables of removed rows, the old ones are dropped, and no other table is."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def program() -> Any:
    path = Path(__file__).parents[1] / "files" / "housekeeping.py"
    spec = importlib.util.spec_from_file_location("housekeeping", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_old_archives(program: Any) -> None:
    old = [
        "_airflow_deleted__log__20250101000000",
        "_airflow_deleted__task_instance_history__20250101000000__b12",
    ]
    others = [
        "_airflow_deleted__log__20260301000000__b1",
        "_airflow_deleted__log",
        "_airflow_deleted__log__mine",
        "airflow_deleted__log__20250101000000",
        "log",
    ]
    assert program.old_archives([*old, *others], datetime(2026, 2, 1, tzinfo=UTC)) == old
