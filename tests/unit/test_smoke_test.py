"""A worker is tested again when what runs on it, or what drives it, is newer than its last test."""

from __future__ import annotations

from typing import Any

import pytest
from filter.smoke_test import workers_to_test

MARKER = "/etc/airflow/smoke-test.passed"
UNITS = "/etc/systemd/system"


def host(**times: float) -> dict[str, Any]:
    """Return the registered files of a host: the time of the marker, of the worker and of the scheduler."""
    paths = {
        "tested": MARKER,
        "worker": f"{UNITS}/airflow-worker.service",
        "scheduler": f"{UNITS}/airflow-scheduler.service",
    }
    files = [{"path": paths[name], "mtime": time} for name, time in times.items()]
    return {"__airflow_smoke_test_files": {"files": files}}


@pytest.mark.parametrize(
    ("control", "worker1", "worker2", "expected"),
    [
        (host(tested=9, scheduler=5), host(tested=9, worker=5), host(tested=9, worker=5), []),
        (host(tested=9, scheduler=5), host(tested=9, worker=10), host(tested=9, worker=5), ["worker1"]),
        (host(tested=9, scheduler=5), host(tested=9, worker=5), host(worker=5), ["worker2"]),
        (
            host(tested=9, scheduler=10),
            host(tested=9, worker=5),
            host(tested=9, worker=5),
            ["worker1", "worker2"],
        ),
        (host(scheduler=5), host(worker=5), host(worker=5), ["worker1", "worker2"]),
    ],
)
def test_workers_to_test(control: Any, worker1: Any, worker2: Any, expected: list[str]) -> None:
    hostvars = {"worker2": worker2, "control": control, "worker1": worker1}
    assert workers_to_test(hostvars, hostvars, MARKER) == expected


def test_a_host_that_is_control_host_and_worker() -> None:
    hostvars = {"one": host(tested=9, worker=5, scheduler=10), "two": host(tested=9, worker=5)}
    assert workers_to_test(hostvars, hostvars, MARKER) == ["one", "two"]
    hostvars["one"] = host(tested=9, worker=10, scheduler=5)
    assert workers_to_test(hostvars, hostvars, MARKER) == ["one"]
