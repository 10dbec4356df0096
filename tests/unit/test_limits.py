"""What services may use of their host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from filter.limits import SERVICES, limit_directives, limit_errors, worker_instance_errors

TABLE = Path(__file__).resolve().parents[2] / "roles/airflow_service/vars/main/services.yml"


def test_the_services_are_those_of_the_table() -> None:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))["__airflow_service_table"]
    assert tuple(name for name, row in table.items() if "command" in row) == SERVICES


@pytest.mark.parametrize(
    ("directive", "values"),
    [
        ("CPUQuota", ["50%", "1600%"]),
        ("CPUWeight", [1, "20", 10000, "idle"]),
        ("IOWeight", [1, "10000"]),
        ("LimitNOFILE", [1024, "65536", "1024:524288", "infinity"]),
        ("MemoryHigh", ["512M", "8G", "1T", "2000000K"]),
        ("MemoryMax", ["1%", "80%", "100%", "infinity"]),
        ("TasksMax", [64, "4096", "10%", "infinity"]),
    ],
)
def test_values_of_systemd_are_accepted(directive: str, values: list[Any]) -> None:
    assert [limit_errors({"worker": {directive: value}}) for value in values] == [[]] * len(values)


@pytest.mark.parametrize(
    ("directive", "values"),
    [
        ("CPUQuota", [50, "0%", "50", "50%\n", "-1%", True, None]),
        ("CPUWeight", [0, 10001, "high", "1\n", True]),
        ("IOWeight", [0, 10001, "idle", [1]]),
        ("LimitNOFILE", [0, "many", "1024:", "1024:2048:4096", True, ""]),
        ("MemoryHigh", [8, "8", "8 G", "8GB", "8g", "0G", "8G\n", "1.5G\nUser=root"]),
        ("MemoryMax", ["0%", "101%", "800%", True, {}, "", "\u0668G"]),
        ("TasksMax", [0, "0", "0%", "101%", -1, "10\n", True]),
    ],
)
def test_other_values_are_refused_with_service_directive_and_remedy(
    directive: str, values: list[Any]
) -> None:
    for value in values:
        (error,) = limit_errors({"worker": {directive: value}})
        assert error.startswith(f"'worker' has '{value}' for {directive}, which must be a ")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("8G", "it must be a mapping of services"),
        ({"workers": {}}, "'workers' is none of scheduler, dag-processor"),
        ({"cli": {}}, "'cli' is none of "),
        ({"worker": "8G"}, "'worker' must be a mapping of directives"),
        ({"worker": None}, "'worker' must be a mapping of directives"),
        ({"worker": {"memorymax": "8G"}}, "'worker' has memorymax, which is none of CPUQuota"),
        ({"worker": {"Nice": 5}}, "'worker' has Nice, which is none of "),
    ],
)
def test_unknown_services_and_directives_are_refused(limits: Any, said: str) -> None:
    (error,) = limit_errors(limits)
    assert error.startswith(said)


def test_each_mistake_has_a_sentence() -> None:
    assert len(limit_errors({"worker": {"MemoryMax": 8, "Nice": 5}, "x": {}, "flower": {"TasksMax": 9}})) == 3


def test_the_limits_among_directives_are_known() -> None:
    assert limit_directives({"PrivateDevices": False, "TasksMax": 5, "MemoryMax": "8G"}) == [
        "MemoryMax",
        "TasksMax",
    ]


GPU = {"queues": ["gpu"], "concurrency": 1}


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        ({}, None),
        ({"gpu": {"queues": ["gpu"]}}, None),
        ({"gpu-2_a": {**GPU, "concurrency": "4", "stop_timeout": 60, "limits": {"MemoryMax": "4G"}}}, None),
        ([GPU], "it must be a mapping of names"),
        ({"GPU": GPU}, "'GPU' is not a name of at most 32"),
        ({"a" * 33: GPU}, "is not a name of at most 32"),
        ({"gpu\n": GPU}, "is not a name of at most 32"),
        ({"gpu.1": GPU}, "'gpu.1' is not a name of"),
        ({1: GPU}, "'1' is not a name of"),
        ({"": GPU}, "'' is not a name of"),
        ({"taken": GPU}, "'taken' would be known as worker1.taken, which is a host"),
        ({"gpu": ["gpu"]}, "'gpu' must be a mapping of settings"),
        ({"gpu": {}}, "queues of 'gpu' must list queues"),
        ({"gpu": {"queues": "gpu"}}, "queues of 'gpu' must list queues"),
        ({"gpu": {"queues": []}}, "queues of 'gpu' must list queues"),
        ({"gpu": {"queues": ["host.worker2"]}}, "queues of 'gpu' must list queues"),
        ({"gpu": {"queues": ["a,b"]}}, "queues of 'gpu' must list queues"),
        ({"gpu": {"queues": ["gpu\n"]}}, "queues of 'gpu' must list queues"),
        ({"gpu": {**GPU, "concurrency": 0}}, "concurrency of 'gpu' must be a whole number, 1 or more"),
        ({"gpu": {**GPU, "stop_timeout": True}}, "stop_timeout of 'gpu' must be a whole number"),
        ({"gpu": {**GPU, "user": "root"}}, "user of 'gpu' is none of queues, concurrency"),
        (
            {"gpu": {**GPU, "limits": {"MemoryMax": 4}}},
            "limits of 'gpu' has '4' for MemoryMax, which must be",
        ),
        ({"gpu": {**GPU, "limits": "4G"}}, "limits of 'gpu' must be a mapping of directives"),
    ],
)
def test_further_workers_are_refused_with_name_setting_and_remedy(instances: Any, said: str | None) -> None:
    errors = worker_instance_errors(instances, "worker1", ["worker1", "worker1.taken"])
    if said is None:
        assert errors == []
    else:
        assert len(errors) == 1
        assert said in errors[0]
