"""The options of a service as systemd reads them, by systemd's own rules."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from filter.options import (
    config_errors,
    environment,
    merged,
    merged_variables,
    readable_sections,
    service_environment,
    variable_errors,
    variables_file,
)

ROLES = Path(__file__).resolve().parents[2] / "roles"
TABLE = ROLES / "airflow_service" / "vars" / "main"


def systemd_unquote(line: str) -> tuple[str, str]:
    """Read one line of an EnvironmentFile as systemd.exec(5) describes it for double quotes."""
    name, value = line.split("=", 1)
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


SERVICES: dict[str, dict[str, Any]] = {
    "scheduler": {"options": ["airflow", "secret"], "sections": ["core", "scheduler"]},
    "worker": {"options": ["airflow"], "sections": ["core"], "config": {"core": {"slots": 2}}},
    "monitor": {"options": [], "sections": ["celery"]},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "airflow": {"core": {"executor": "CeleryExecutor"}},
    "secret": {"core": {"key": "k"}},
}


@pytest.mark.parametrize(
    ("service", "sections"),
    [
        ("scheduler", {"core", "scheduler", "smtp"}),
        ("worker", {"core", "smtp"}),
        ("monitor", {"celery"}),
    ],
)
def test_a_service_reads_its_sections_and_airflow_also_those_of_no_row(
    service: str, sections: set[str]
) -> None:
    config = {name: {"x": 1} for name in ("core", "scheduler", "celery", "smtp")}
    assert readable_sections(service, SERVICES, config) == sections


def test_a_service_gets_its_sets_of_options_its_own_and_the_overrides() -> None:
    written = service_environment(
        SERVICES, "worker", OPTIONS, {"core": {"slots": 3}}, {"scheduler": {"x": 1}, "smtp": {"host": "mail"}}
    )
    assert dict(systemd_unquote(line) for line in written.splitlines()) == {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__SLOTS": "3",
        "AIRFLOW__SMTP__HOST": "mail",
    }


def test_later_layers_win_and_mappings_are_merged() -> None:
    first: dict[str, dict[str, Any]] = {"a": {"x": {"k": 1}, "y": 1}}
    second: dict[str, dict[str, Any]] = {"a": {"x": {"l": 2}, "y": None}, "b": {"z": 3}}
    assert merged([first, second]) == {"a": {"x": {"k": 1, "l": 2}, "y": None}, "b": {"z": 3}}
    assert first == {"a": {"x": {"k": 1}, "y": 1}}


def test_every_set_of_options_of_the_table_exists_and_none_is_left_over() -> None:
    rows = yaml.safe_load((TABLE / "services.yml").read_text(encoding="utf-8"))["__airflow_service_table"]
    options = yaml.safe_load((TABLE / "options.yml").read_text(encoding="utf-8"))["__airflow_service_options"]
    assert {name for row in rows.values() for name in row["options"]} == set(options)


def test_each_service_logs_in_to_the_broker_as_the_user_for_it() -> None:
    rows = yaml.safe_load((TABLE / "services.yml").read_text(encoding="utf-8"))["__airflow_service_table"]
    users = {
        name: [option.removeprefix("broker_") for option in row["options"] if option.startswith("broker_")]
        for name, row in rows.items()
    }
    assert {name: user for name, user in users.items() if user} == {
        "scheduler": ["scheduler"],
        "worker": ["worker"],
        "flower": ["monitor"],
        "worker-monitor": ["monitor"],
        "cli": ["monitor"],
    }


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
    with pytest.raises(ValueError, match="control character"):
        environment({"core": {"x": "a\0b"}})


def test_every_row_of_the_table_has_a_user() -> None:
    rows = yaml.safe_load((TABLE / "services.yml").read_text(encoding="utf-8"))["__airflow_service_table"]
    lines = (ROLES / "airflow_runtime" / "files" / "users.conf").read_text(encoding="utf-8").splitlines()
    users = {line.split()[1]: line.split()[-1] for line in lines if line.startswith("u ")}
    assert users == {f"airflow-{name}": f"/var/lib/airflow/{name}" for name in rows}


def test_variables_of_several_sources_are_merged_and_written_as_text() -> None:
    sources = {
        "all": {"A": 1, "B": 'say "$HOME"', "GONE": "x"},
        "host": {"A": 2, "AIRFLOW_CONN_X": {"conn_type": "http"}, "GONE": None},
    }
    variables = merged_variables(sources)
    assert variables == {"A": "2", "B": 'say "$HOME"', "AIRFLOW_CONN_X": '{"conn_type":"http"}'}
    assert dict(systemd_unquote(line) for line in variables_file(variables).splitlines()) == variables
    assert variables_file({}) == ""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ("A=secret", "source must be a mapping of names, is a string"),
        ({"A B": "secret"}, "'A B' of source is not a name"),
        ({1: "secret"}, "'1' of source is not a name"),
        ({"AIRFLOW__CORE__PARALLELISM": "secret"}, "belongs into airflow_config"),
        ({"airflow__core__parallelism": "secret"}, "belongs into airflow_config"),
        ({"PATH": "secret"}, "'PATH' of source is set by the service"),
        ({"A": True}, "'A' of source is a boolean"),
        ({"A": "secret\r"}, "'A' of source holds a control character"),
    ],
)
def test_a_variable_that_a_service_cannot_get_is_named_without_its_value(variables: Any, said: str) -> None:
    (error,) = variable_errors({"source": variables})
    assert said in error
    assert "secret" not in error


def test_only_what_runs_code_of_users_gets_their_variables() -> None:
    rows = yaml.safe_load((TABLE / "services.yml").read_text(encoding="utf-8"))["__airflow_service_table"]
    users = {name for name, row in rows.items() if row.get("runs_user_code")}
    assert users == {"dag-processor", "triggerer", "worker", "cli"}
