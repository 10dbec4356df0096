"""Groups of the inventory may have other names, and some may be missing."""

from __future__ import annotations

from typing import Any

import pytest
from filter.groups import group_hosts, group_name_errors, inventory_groups

SUBSTITUTES = {"triggerers": "schedulers"}
NAMES = {name: name for name in ("schedulers", "triggerers", "workers")}


def test_a_group_has_the_name_of_the_inventory() -> None:
    names = {**NAMES, "workers": "airflow_workers"}
    groups = {"schedulers": ["a"], "triggerers": ["b"], "airflow_workers": ["c"], "workers": ["foreign"]}
    found = inventory_groups(names, groups, SUBSTITUTES, "excluded")
    assert found == {
        "schedulers": ["schedulers"],
        "triggerers": ["triggerers"],
        "workers": ["airflow_workers"],
    }
    assert group_hosts(found, groups, "removed") == {
        "schedulers": ["a"],
        "triggerers": ["b"],
        "workers": ["c"],
    }


def test_another_group_does_the_work_of_an_optional_one() -> None:
    for groups in ({"control": ["a"]}, {"control": ["a"], "triggerers": []}):
        found = inventory_groups({**NAMES, "schedulers": "control"}, groups, SUBSTITUTES, "excluded")
        assert group_hosts(found, groups, "removed") == {
            "schedulers": ["a"],
            "triggerers": ["a"],
            "workers": [],
        }
        assert found["triggerers"] == ["control"]


def test_a_group_can_be_excluded_from_all_patterns() -> None:
    """A pattern of exclusions alone would match all other hosts."""
    groups = {"schedulers": ["a"], "excluded": ["a"]}
    found = inventory_groups(NAMES, groups, {}, "excluded")
    assert found == {"schedulers": ["schedulers", "!excluded"], "triggerers": [], "workers": []}
    assert group_hosts(found, groups, "removed")["schedulers"] == ["a"]


def test_a_group_that_the_inventory_lacks_is_in_no_pattern() -> None:
    assert inventory_groups(NAMES, {"workers": []}, SUBSTITUTES, "excluded") == {
        "schedulers": [],
        "triggerers": [],
        "workers": ["workers"],
    }


@pytest.mark.parametrize(
    ("names", "errors"),
    [
        (None, []),
        ({"workers": "celery"}, []),
        ({"celery": "celery"}, ["'celery' is not a group of the collection (workers)"]),
        ({"workers": "nowhere"}, ["'nowhere', for workers, is not a group of the inventory"]),
        ("celery", ["'celery' is not a mapping"]),
    ],
)
def test_a_wrong_name_is_named(names: Any, errors: list[str]) -> None:
    hostvars = {"a": {"airflow_group_names": names}}
    assert group_name_errors(["a"], hostvars, {"celery": ["a"]}, ["workers"]) == errors


def test_the_names_are_those_of_all_hosts() -> None:
    hostvars: dict[str, dict[str, Any]] = {"a": {}, "b": {"airflow_group_names": {"workers": "celery"}}}
    (error,) = group_name_errors(["a", "b"], hostvars, {"celery": ["b"]}, ["workers"])
    assert error.startswith("it is not the same for all hosts")
    assert "a: {}; b: {'workers': 'celery'}" in error
