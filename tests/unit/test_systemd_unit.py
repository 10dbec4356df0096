"""A service is restarted each time one of its files is newer than its process, and never otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from modules.systemd_unit import (
    changed_lines,
    changed_secret,
    instances,
    needs_start,
    parse_properties,
    runs,
)

if TYPE_CHECKING:
    from pathlib import Path


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


def test_the_difference_of_an_environment_file_shows_no_secret() -> None:
    before = 'AIRFLOW_HOME=/a\nAIRFLOW__CORE__FERNET_KEY="one"\nAIRFLOW__CORE__PARALLELISM="32"\n'
    after = 'AIRFLOW_HOME=/a\nAIRFLOW__CORE__FERNET_KEY="two"\nAIRFLOW__CORE__PARALLELISM="64"\n'
    assert changed_lines(before, after) == (
        'AIRFLOW__CORE__FERNET_KEY=(hidden)\nAIRFLOW__CORE__PARALLELISM="32"\n',
        'AIRFLOW__CORE__FERNET_KEY=(hidden, changed)\nAIRFLOW__CORE__PARALLELISM="64"\n',
    )


def test_the_difference_of_a_file_with_a_secret_shows_that_it_changes() -> None:
    assert changed_secret("one", "two") == ("(hidden)\n", "(hidden, changed)\n")
    assert changed_secret("one", "one") == ("", "")


@pytest.mark.parametrize(
    "option",
    [
        "CELERY__BROKER_URL",
        "CELERY__FLOWER_BASIC_AUTH",
        "CELERY__RESULT_BACKEND",
        "DATABASE__SQL_ALCHEMY_CONN",
        "API_AUTH__JWT_SECRET",
        "SMTP__SMTP_PASSWORD",
    ],
)
def test_what_may_be_a_secret_is_masked(option: str) -> None:
    assert changed_lines("", f'AIRFLOW__{option}="secret"') == ("", f"AIRFLOW__{option}=(hidden, changed)\n")


def test_no_variable_that_is_no_option_of_airflow_is_shown_whatever_lines_it_has() -> None:
    before = 'HTTPS_PROXY="http://user:pw@proxy"\nKEEP="x"\n'
    after = 'HTTPS_PROXY="http://user:pw2@proxy"\nKEEP="x"\nPEM="-----\nab\\"c=\nAIRFLOW__CORE__X=y\n"\nAIRFLOW__CORE__X="1\n2"\n'
    assert changed_lines(before, after) == (
        "HTTPS_PROXY=(hidden)\n",
        'HTTPS_PROXY=(hidden, changed)\nPEM=(hidden, changed)\nAIRFLOW__CORE__X="1\n2"\n',
    )


def test_the_instances_of_a_unit_are_found_by_their_files(tmp_path: Path) -> None:
    for name in ("a.service", "a@.service", "a@two.service", "a@one.service", "a@one.timer", "ab@x.service"):
        (tmp_path / name).touch()
    (tmp_path / "a@three.service.d").mkdir()
    assert instances("a.service", tmp_path) == ["one", "two"]
    assert instances("ab.service", tmp_path) == ["x"]
    assert instances("b.service", tmp_path) == []
