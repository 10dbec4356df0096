"""Connections, variables, pools and users: their shape, and what has to be done about them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from filter.objects import api_objects, object_errors
from modules.airflow_objects import ApiError, Plan, comparable, differing, explanation, exported, reveal

SECRET = "Zx8-qT2"  # noqa: S105 - of a test
CONNECTION = {
    "connection_id": "warehouse",
    "conn_type": "postgres",
    "password": SECRET,
    "extra": {"a": SECRET},
}
USER = {
    "username": "analyst",
    "email": "analysts@example.org",
    "first_name": "Data",
    "last_name": "B",
    "roles": [{"name": "Viewer"}],
}


@pytest.mark.parametrize(
    ("kind", "objects", "said"),
    [
        ("connections", SECRET, "is not a list"),
        ("connections", [SECRET], "number 1 ('') is not a mapping"),
        (
            "connections",
            [{"connection_id": "a b", "conn_type": "x"}],
            "connection_id that is not made of letters",
        ),
        ("connections", [{"connection_id": [SECRET], "conn_type": "x"}], "connection_id that is not text"),
        ("connections", [{"connection_id": "a"}], "number 1 ('a') has a field conn_type that is missing"),
        (
            "connections",
            [{**CONNECTION, "pasword": SECRET}],
            "has the unknown field pasword (known are connection_id,",
        ),
        ("connections", [{**CONNECTION, "password": 12345678}], "password that is not text"),
        ("connections", [{**CONNECTION, "port": "x"}], "port that is not a whole number from 1 to 65535"),
        ("connections", [{**CONNECTION, "port": True}], "port that is not a whole number"),
        ("connections", [{**CONNECTION, "extra": f"[{SECRET}"}], "extra that is not a mapping"),
        ("connections", [CONNECTION, CONNECTION], "'warehouse' is there more than once"),
        ("variables", [{"key": "a"}], "value that is missing"),
        ("variables", [{"key": "a\n", "value": SECRET}], "key that is not one line"),
        ("pools", [{"name": "a", "slots": -2}], "slots that is not a whole number"),
        (
            "pools",
            [{"name": "a", "slots": 1, "include_deferred": "yes"}],
            "include_deferred that is not true or false",
        ),
        ("users", [{**USER, "username": "a/b"}], "username that is not made of"),
        ("users", [{**USER, "roles": ["Viewer"]}], "roles that is not like [{name: Viewer}]"),
        ("users", [{**USER, "roles": []}], "roles that is not like"),
        ("users", [{**USER, "password": SECRET}], "password that is shorter than 8"),
        ("users", [{**USER, "username": "admin"}], "'admin' has variables of its own"),
    ],
)
def test_a_wrong_object_is_named_without_its_values(kind: str, objects: Any, said: str) -> None:
    (error,) = object_errors(objects, kind, ["admin"])
    assert said in error
    assert SECRET not in error


@pytest.mark.parametrize(
    ("kind", "objects"),
    [
        ("connections", [CONNECTION, {"connection_id": "b", "conn_type": "x", "extra": "", "port": "80"}]),
        (
            "variables",
            [{"key": "a b", "value": {"c": [None]}}, {"key": "b", "value": "", "description": None}],
        ),
        ("pools", [{"name": "a", "slots": "-1"}]),
        ("users", [USER, {**USER, "username": "b@example.org", "password": "long enough"}]),
        ("users", []),
    ],
)
def test_a_good_object_is_accepted(kind: str, objects: Any) -> None:
    assert object_errors(objects, kind) == []


def test_objects_get_all_fields_as_the_api_takes_them() -> None:
    assert api_objects([{**CONNECTION, "port": "5432"}], "connections") == [
        {
            "connection_id": "warehouse",
            "conn_type": "postgres",
            "description": None,
            "host": None,
            "login": None,
            "schema": None,
            "port": 5432,
            "password": SECRET,
            "extra": json.dumps({"a": SECRET}),
        }
    ]


@pytest.mark.parametrize(
    ("field", "one", "other", "same"),
    [
        ("value", '{"a": 1}', {"a": 1}, True),
        ("value", "1", 1, True),
        ("value", "1", True, False),
        ("value", "text", "text", True),
        ("value", "", None, False),
        ("extra", "{}", None, True),
        ("extra", '{"a":1}', '{"a": 1}', True),
        ("extra", '{"a":1}', None, False),
        ("host", "", None, True),
        ("roles", [{"name": "A"}, {"name": "B"}], [{"name": "B"}, {"name": "A"}], True),
    ],
)
def test_two_ways_to_write_a_value_are_the_same(field: str, one: Any, other: Any, same: bool) -> None:  # noqa: FBT001
    assert (comparable(field, one) == comparable(field, other)) is same


def test_what_the_api_has_besides_does_not_differ() -> None:
    current = {"name": "a", "slots": 1, "description": "", "open_slots": 1}
    assert differing({"name": "a", "slots": 2, "description": None, "password": "x"}, current) == ["slots"]


def test_secrets_are_exported_only_where_a_listed_object_has_one() -> None:
    current: dict[str, dict[str, Any]] = {
        "a": {"password": None},
        "b": {"password": "***"},
        "c": {"extra": '{"key": "***"}'},
    }
    calls = []

    def export() -> dict[str, dict[str, Any]]:
        calls.append(1)
        return {"b": {"password": "real"}, "c": {"extra": '{"key": "real"}'}}

    reveal({"a": {}, "new": {}}, current, export)
    assert calls == []
    reveal({"a": {}, "b": {}}, current, export)
    assert calls == [1]
    assert current["b"] == {"password": "real"}
    assert current["c"] == {"extra": '{"key": "***"}'}


def test_an_export_is_read_after_warnings() -> None:
    text = '2026 [warning] {x}\n{"a": "b", "c": {"value": 1, "description": null}, "d": {"e": 1}}\n1 exported'
    assert exported(text, "variables") == {
        "a": {"value": "b", "description": None},
        "c": {"value": 1, "description": None},
        "d": {"value": {"e": 1}, "description": None},
    }
    assert exported('{"a": {"password": "b"}}', "connections") == {"a": {"password": "b"}}


def test_an_answer_that_repeats_the_input_is_shown_without_it() -> None:
    detail = [{"loc": ["body", "extra"], "msg": "wrong", "input": SECRET, "ctx": {"error": SECRET}}]
    assert explanation(json.dumps({"detail": detail}).encode()) == "body.extra: wrong"
    assert explanation(b'{"detail": "Unknown roles: x"}') == "Unknown roles: x"
    assert explanation(b"<html>") == "no explanation"


def test_the_plan_has_what_is_new_what_differs_and_what_is_not_listed() -> None:
    wanted = {"new": {"slots": 1}, "same": {"slots": 1}, "other": {"slots": 2}}
    current = {"same": {"slots": 1}, "other": {"slots": 1}, "left": {}, "default_pool": {}}
    plan = Plan(wanted, current, ["default_pool"])
    assert (plan.created, plan.updated, plan.unlisted) == (["new"], {"other": ["slots"]}, ["left"])
    assert plan.bodies("pools", wanted) == {"other": {"slots": 2}}
    assert plan.diff() == "+ new\n~ other: slots\n"


def test_a_user_whose_password_is_another_one_gets_that_alone() -> None:
    wanted: dict[str, dict[str, Any]] = {
        name: {"email": name, "password": password}
        for name, password in (("a", "x"), ("b", "y"), ("c", None))
    }
    plan = Plan(wanted, {name: {"email": name} for name in wanted}, [])
    plan.check_passwords(wanted, lambda name, _password: name != "b")
    assert plan.updated == {"b": ["password"]}
    assert plan.bodies("users", wanted) == {"b": {"password": "y"}}


def test_a_new_user_needs_a_password() -> None:
    wanted: dict[str, dict[str, Any]] = {"a": {"password": None}}
    with pytest.raises(ApiError, match="need a password: a"):
        Plan(wanted, {}, []).check_passwords(wanted, lambda *_login: True)
