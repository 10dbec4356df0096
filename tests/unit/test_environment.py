"""The options of a service as systemd reads them, by systemd's own rules."""

from __future__ import annotations

import json
import re

import pytest
from filter.environment import config_errors, environment


def systemd_unquote(line: str) -> tuple[str, str]:
    """Read one line of an EnvironmentFile as systemd.exec(5) describes it for double quotes."""
    name, _, value = line.partition("=")
    assert value.startswith('"')
    assert value.endswith('"')
    return name, re.sub(r'\\(["\\`$])', r"\1", value[1:-1])


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "with space",
        'quo"te',
        "back\\slash",
        "dol$lar",
        "tick`",
        "#hash;",
        "%d",
        "two\nlines",
        "'",
    ],
)
def test_a_value_survives_quoting(text: str) -> None:
    written = environment({"core": {"option": text}})
    assert systemd_unquote(written.removesuffix("\n")) == ("AIRFLOW__CORE__OPTION", text)


def test_values_are_written_as_airflow_reads_them() -> None:
    written = environment({"b": {"flag": True, "number": 3}, "a.x": {"gone": None, "json": {"k": [1, None]}}})
    assert dict(systemd_unquote(line) for line in written.splitlines()) == {
        "AIRFLOW__A_X__JSON": json.dumps({"k": [1, None]}, separators=(",", ":")),
        "AIRFLOW__B__FLAG": "True",
        "AIRFLOW__B__NUMBER": "3",
    }


def test_the_order_of_options_does_not_matter() -> None:
    assert environment({"a": {"x": 1, "y": 2}, "b": {"z": 3}}) == environment(
        {"b": {"z": 3}, "a": {"y": 2, "x": 1}}
    )


def test_ignored_sections_are_left_out() -> None:
    assert "CELERY" not in environment({"celery": {"x": 1}, "core": {"y": 2}}, ignore=["celery"])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (["core"], "mapping of sections"),
        ({"core": "x"}, "section 'core' must be a mapping"),
        ({"Core": {}}, "section 'Core'"),
        ({"core": {"Max Tasks": 1}}, "option 'Max Tasks' in section 'core'"),
        ({"core": {1: 1}}, "option '1'"),
    ],
)
def test_an_ill_shaped_config_is_named(config: object, said: str) -> None:
    (error,) = config_errors(config)
    assert said in error


def test_a_good_config_has_no_errors() -> None:
    assert config_errors({"core": {"parallelism": 3}, "celery_broker_transport_options": {}}) == []


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        environment({"core": {"x": "a\0b"}})
