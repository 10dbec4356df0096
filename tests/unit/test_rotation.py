"""Both values of a secret are accepted while it is rotated."""

from __future__ import annotations

import hashlib
import json

import pytest
from filter.rotation import key_id, key_set, login_roles, password_rules


def test_each_key_has_a_name_that_follows_from_it() -> None:
    keys = json.loads(key_set(["old" * 20, "new" * 20]))["keys"]
    assert [key["kid"] for key in keys] == [key_id("old" * 20), key_id("new" * 20)]
    assert len({key["kid"] for key in keys}) == 2


def test_a_user_of_the_broker_has_one_password_or_two() -> None:
    digests = [f"#{hashlib.sha256(text).hexdigest()}" for text in (b"new", b"old")]
    assert password_rules("new", "old") == digests
    assert password_rules("new", "") == digests[:1]


@pytest.mark.parametrize(
    ("login", "password", "accepted", "existing", "expected"),
    [
        ("airflow", "a", "", [], {"airflow": "a"}),
        ("airflow", "a", "b", ["airflow"], {"airflow": "a", "airflow_2": "b"}),
        ("airflow_2", "b", "a", ["airflow", "airflow_2"], {"airflow": "a", "airflow_2": "b"}),
        ("airflow_2", "b", "", ["airflow", "airflow_2"], {"airflow": "", "airflow_2": "b"}),
        ("airflow_2", "b", "", [], {"airflow": "", "airflow_2": "b"}),
        ("airflow_2", "b", "c", ["airflow", "airflow_2"], {"airflow": "c", "airflow_2": "b"}),
        ("airflow", "c", "", ["airflow", "airflow_2"], {"airflow": "c", "airflow_2": ""}),
    ],
)
def test_two_roles_take_turns(
    login: str, password: str, accepted: str, existing: list[str], expected: dict[str, str]
) -> None:
    database = {"owner": "airflow", "login": login, "password": password, "accepted": accepted}
    roles = login_roles([database], existing)
    assert {role["name"]: role["password"] for role in roles} == expected
    assert {role["owner"] for role in roles} == {"airflow"}
