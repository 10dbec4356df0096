"""A worker is tested again when what runs on it, or what drives it, is newer than its last test."""

from __future__ import annotations

from typing import Any

import pytest
from filter.smoke_test import workers_to_test

WORKERS = {name: [name] for name in ("worker2", "worker1", "worker3")}


def host(*newer: str) -> dict[str, Any]:
    """Return what is registered of a host on which the services ``newer`` have changed."""
    return {
        "__airflow_smoke_test_changed": {
            "stdout_lines": [f"/etc/systemd/system/airflow-{service}.service" for service in newer]
        }
    }


@pytest.mark.parametrize(
    ("control", "worker1", "worker2", "expected"),
    [
        (host(), host(), host(), []),
        (host(), host("worker"), host(), ["worker1"]),
        (host("scheduler"), host(), host(), ["worker1", "worker2"]),
        (host("scheduler"), host("worker"), host(), ["worker1", "worker2"]),
    ],
)
def test_workers_to_test(control: Any, worker1: Any, worker2: Any, expected: list[str]) -> None:
    """The worker3 was left out of the run."""
    hostvars = {"worker2": worker2, "control": control, "worker1": worker1}
    assert workers_to_test(hostvars, hostvars, WORKERS) == expected


def test_the_environment_file_counts_as_the_unit_does() -> None:
    hostvars = {"worker1": {"__airflow_smoke_test_changed": {"stdout_lines": ["/etc/airflow/worker.env"]}}}
    assert workers_to_test(hostvars, hostvars, WORKERS) == ["worker1"]


def test_a_host_that_is_no_worker_any_more_is_not_tested() -> None:
    hostvars = {"former": host("worker"), "worker1": host()}
    assert workers_to_test(hostvars, hostvars, WORKERS) == []


def test_a_warning_of_sudo_is_no_file() -> None:
    hostvars = {
        "worker1": {"__airflow_smoke_test_changed": {"stdout_lines": ["sudo: unable to resolve host"]}}
    }
    assert workers_to_test(hostvars, hostvars, WORKERS) == []


def test_a_host_that_is_control_host_and_worker() -> None:
    hostvars = {"worker1": host("worker", "scheduler"), "worker2": host()}
    assert workers_to_test(hostvars, hostvars, WORKERS) == ["worker1", "worker2"]
    hostvars["worker1"] = host("worker")
    assert workers_to_test(hostvars, hostvars, WORKERS) == ["worker1"]


@pytest.mark.parametrize("newer", ["worker", "worker@gpu"])
def test_all_workers_of_a_host_are_tested_when_one_has_changed(newer: str) -> None:
    hostvars = {"worker1": host(newer), "worker2": host()}
    workers = {"worker1": ["worker1", "worker1.gpu"], "worker2": ["worker2"]}
    assert workers_to_test(hostvars, hostvars, workers) == ["worker1", "worker1.gpu"]
