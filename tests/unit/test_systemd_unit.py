"""A service is restarted each time one of its files is newer than its process, and never otherwise."""

from __future__ import annotations

import pytest
from modules.systemd_unit import needs_start, parse_properties, runs


@pytest.mark.parametrize(
    ("state", "started", "expected"),
    [
        ("active", "@1000", True),
        ("active", "@1001", False),
        ("active", "@1002", False),
        ("inactive", "@1002", True),
        ("failed", "", True),
        ("activating", "", False),
        ("activating", "@1000", True),
    ],
)
def test_a_service_is_restarted_when_its_files_are_newer(state: str, started: str, expected: bool) -> None:  # noqa: FBT001
    properties = {"ActiveState": state, "ExecMainStartTimestamp": started}
    assert needs_start(properties, written=1001.7) is expected


def test_properties_may_hold_equal_signs() -> None:
    assert parse_properties("A=1\nB=x=y\n\n") == {"A": "1", "B": "x=y"}


@pytest.mark.parametrize(
    ("state", "expected"), [("active", True), ("activating", True), ("failed", False), ("inactive", False)]
)
def test_a_service_that_does_not_run_is_started_whatever_restart_says(state: str, expected: bool) -> None:  # noqa: FBT001
    assert runs({"ActiveState": state}) is expected
