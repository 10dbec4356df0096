"""What a worker's start does with the module: all of it, or nothing and a line that says why."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import subprocess
import sys
from typing import Any

import lakehouse_mends
import lakehouse_worker
import pytest
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time import comms, supervisor, task_runner
from airflow.sdk.execution_time.supervisor import ActivitySubprocess, WatchedSubprocess
from celery.concurrency.asynpool import AsynPool

# What the mends replace.
ORIGINALS = {
    (owner, name): getattr(owner, name)
    for owner, name in [
        (WatchedSubprocess, "_register_pipe_readers"),
        (ActivitySubprocess, "_on_child_started"),
        (AsynPool, "flush"),
        (Client, "request"),
        (supervisor, "MAX_FAILED_HEARTBEATS"),
        (comms, "TypeAdapter"),
        (task_runner, "TypeAdapter"),
    ]
}
# Those that mend, not only load.
GUARDED = 5


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for (owner, name), original in ORIGINALS.items():
        monkeypatch.setattr(owner, name, original)


def replaced() -> set[tuple[Any, str]]:
    return {
        (owner, name) for (owner, name), original in ORIGINALS.items() if getattr(owner, name) is not original
    }


def start(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """Start as a worker does and give what was said of each mend."""
    with caplog.at_level(logging.INFO, logger="lakehouse_mends"):
        lakehouse_worker.prepare_worker()
    said = dict(message.split(": ", 1) for message in caplog.messages)
    assert said.keys() == lakehouse_worker.MENDS.keys()
    return said


def left_out(said: dict[str, str]) -> int:
    return sum(text.startswith("left out, ") for text in said.values())


def test_configuration_is_airflows_own() -> None:
    assert lakehouse_worker.CELERY_CONFIG is DEFAULT_CELERY_CONFIG


def test_all_mends_are_in_place_with_the_locked_versions(caplog: pytest.LogCaptureFixture) -> None:
    assert set(start(caplog).values()) == {"in place"}
    assert replaced() == ORIGINALS.keys()
    assert supervisor.MAX_FAILED_HEARTBEATS == 1


def test_other_versions_are_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lakehouse_mends, "version", lambda _: "99.0")
    said = start(caplog)
    assert left_out(said) == GUARDED
    assert "it is for celery 5.6.3, this is 99.0" in "".join(said.values())
    assert not replaced()
    assert supervisor.MAX_FAILED_HEARTBEATS > 1


def test_code_that_something_else_changed_is_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = AsynPool.flush

    def flush(self: Any) -> None:
        original(self)

    monkeypatch.setattr(AsynPool, "flush", flush)
    said = start(caplog)
    assert left_out(said) == 1
    assert "flush of celery 5.6.3 is unknown" in "".join(said.values())
    assert AsynPool.flush is flush


def test_package_that_is_not_there_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(lakehouse_mends, "version", version)
    assert left_out(start(caplog)) == GUARDED


def test_kernel_without_pidfd_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pidfd_open(_: int) -> int:
        raise OSError("Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    assert left_out(start(caplog)) == 1
    assert (WatchedSubprocess, "_register_pipe_readers") not in replaced()


def test_module_that_cannot_be_imported_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lakehouse_worker, "SHARED_IMPORTS", ("no_such_module", "encodings.idna"))
    said = start(caplog)
    assert left_out(said) == 1
    assert "No module named 'no_such_module'" in "".join(said.values())


DAG = """
import json, sys
from pathlib import Path
from airflow.sdk import DAG, task
with DAG("example"):
    @task
    def noop():
        Path(__file__).with_name("modules.json").write_text(json.dumps(sorted(sys.modules)))
    noop()
"""
# Reports what a worker's start changes in a process that has loaded the configuration, and runs a task.
WORKER = """
import json, os, sys
from airflow import settings
from airflow.providers.celery.executors.celery_executor import app
from airflow.sdk.execution_time.supervisor import WatchedSubprocess, supervise_task
def state():
    links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")[:-1]]
    return {
        "threads": len(os.listdir("/proc/self/task")),
        "sockets": sum(link.startswith("socket:") for link in links),
        "engines": [id(settings.engine), id(settings.async_engine)],
    }
from execution_api import ExecutionApi, workload
import lakehouse_worker
before, unmended = state(), WatchedSubprocess._register_pipe_readers
assert unmended.__module__ == WatchedSubprocess.__module__
app.loader.init_worker()
assert WatchedSubprocess._register_pipe_readers.__module__ == WatchedSubprocess.__module__
assert WatchedSubprocess._register_pipe_readers is not unmended
after, modules = state(), sorted(sys.modules)
task = workload()
code = supervise_task(
    ti=task.ti,
    bundle_info=task.bundle_info,
    dag_rel_path=task.dag_rel_path,
    token="",
    client=ExecutionApi().client,
)
with open(sys.argv[1], "w") as report:
    json.dump({"before": before, "after": after, "modules": modules, "code": code}, report)
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("worker")
    (folder / "dags").mkdir()
    (folder / "dags" / "example.py").write_text(DAG)
    subprocess.run(
        [sys.executable, "-c", WORKER, folder / "report.json"],
        env=os.environ
        | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
        timeout=120,
    )
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    report["task_modules"] = json.loads((folder / "dags" / "modules.json").read_text())
    return report


def test_worker_is_safe_to_fork(worker: dict[str, Any]) -> None:
    assert worker["after"] == worker["before"]
    assert worker["after"]["threads"] == 1


def test_task_finds_its_imports_done(worker: dict[str, Any]) -> None:
    assert worker["code"] == 0
    own = {name for name in worker["task_modules"] if name.startswith("unusual_prefix_")}
    # Without load_once these are over a hundred.
    assert len(set(worker["task_modules"]) - set(worker["modules"]) - own) <= 5
