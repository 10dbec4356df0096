"""What the start of a worker does: all patches are applied, or left out with a line that says why."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import ActivitySubprocess, WatchedSubprocess
from celery.concurrency.asynpool import AsynPool
from celery.signals import celeryd_init
from celery.worker.control import Panel
from lakehouse_airflow import patching, preload, worker

# What the patches replace.
ORIGINALS = {
    (owner, name): getattr(owner, name)
    for owner, name in [
        (WatchedSubprocess, "_register_pipe_readers"),
        (ActivitySubprocess, "_on_child_started"),
        (AsynPool, "flush"),
        (Client, "request"),
        (supervisor, "MAX_FAILED_HEARTBEATS"),
    ]
}
PATCHES = {f"Patch {name}" for name in worker.PATCHES}


@pytest.fixture(autouse=True)
def restore(monkeypatch: pytest.MonkeyPatch) -> None:
    for (owner, name), original in ORIGINALS.items():
        monkeypatch.setattr(owner, name, original)


def replaced() -> set[tuple[Any, str]]:
    return {
        (owner, name) for (owner, name), original in ORIGINALS.items() if getattr(owner, name) is not original
    }


def start(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """Start as a worker does and return what was logged of each patch and of the preloading."""
    with caplog.at_level(logging.INFO, logger="lakehouse_airflow"):
        worker.prepare_slots()
    ours = [record for record in caplog.records if record.name.startswith("lakehouse_airflow")]
    logged = dict(record.getMessage().split(": ", 1) for record in ours)
    assert logged.keys() == {*PATCHES, "Preload"}
    return logged


def not_applied(logged: dict[str, str]) -> set[str]:
    return {name for name, text in logged.items() if text.startswith("not applied, ")}


def test_configuration_is_airflows_own() -> None:
    assert worker.CELERY_CONFIG is DEFAULT_CELERY_CONFIG


def test_worker_obeys_no_other_commands_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "data", dict(Panel.data))
    assert {"shutdown", "pool_restart", "pool_shrink", "rate_limit", "terminate"} < Panel.data.keys()
    celeryd_init.send(sender=None, instance=SimpleNamespace(hostname="a@b"))
    assert Panel.data.keys() == worker.CONTROL_COMMANDS


def test_all_patches_are_applied_with_the_locked_versions(caplog: pytest.LogCaptureFixture) -> None:
    assert start(caplog) == {**dict.fromkeys(PATCHES, "applied"), "Preload": "complete"}
    assert replaced() == ORIGINALS.keys()
    assert supervisor.MAX_FAILED_HEARTBEATS == 1


def test_other_versions_are_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patching, "version", lambda _: "99.0")
    logged = start(caplog)
    assert not_applied(logged) == PATCHES
    assert logged["Patch busy_slots"] == "not applied, it is for celery 5.6.3, installed is 99.0"
    assert not replaced()
    assert supervisor.MAX_FAILED_HEARTBEATS > 1


def test_code_that_something_else_changed_is_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = AsynPool.flush

    def flush(self: Any) -> None:
        original(self)

    monkeypatch.setattr(AsynPool, "flush", flush)
    logged = start(caplog)
    assert not_applied(logged) == {"Patch busy_slots"}
    assert "flush of celery 5.6.3 has the unknown digest " in logged["Patch busy_slots"]
    assert AsynPool.flush is flush


def test_package_that_is_not_there_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(patching, "version", version)
    assert not_applied(start(caplog)) == PATCHES


def test_patch_that_cannot_be_imported_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "lakehouse_airflow.patches.busy_slots"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "celery.concurrency.asynpool", None)
    assert not_applied(start(caplog)) == {"Patch busy_slots"}


def test_kernel_without_pidfd_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pidfd_open(_pid: int) -> int:
        raise OSError("Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    assert not_applied(start(caplog)) == {"Patch supervisor_exit"}
    assert (WatchedSubprocess, "_register_pipe_readers") not in replaced()


def test_module_that_cannot_be_preloaded_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preload, "SHARED_IMPORTS", ("no_such_module", "encodings.idna"))
    logged = start(caplog)
    assert not not_applied(logged)
    assert logged["Preload"] == "incomplete, No module named 'no_such_module'"


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
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
def state():
    links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")[:-1]]
    return {
        "threads": len(os.listdir("/proc/self/task")),
        "sockets": sum(link.startswith("socket:") for link in links),
        "engines": [id(settings.engine), id(settings.async_engine)],
    }
from execution_api import ExecutionApi, workload
import lakehouse_airflow.worker
before, unpatched = state(), WatchedSubprocess._register_pipe_readers
assert unpatched.__module__ == WatchedSubprocess.__module__
app.loader.init_worker()
assert WatchedSubprocess._register_pipe_readers.__module__ == WatchedSubprocess.__module__
assert WatchedSubprocess._register_pipe_readers is not unpatched
after, modules = state(), sorted(sys.modules)
task = workload()
# Its name in Airflow 3.2 comes last.
supervise = getattr(supervisor, "supervise_task", None) or supervisor.supervise
code = supervise(
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
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("worker")
    (directory / "dags").mkdir()
    (directory / "dags" / "example.py").write_text(DAG)
    subprocess.run(
        [sys.executable, "-c", WORKER, directory / "report.json"],
        env=os.environ
        | {
            "AIRFLOW_HOME": str(directory),
            "AIRFLOW__CORE__DAGS_FOLDER": str(directory / "dags"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
        timeout=120,
    )
    content: dict[str, Any] = json.loads((directory / "report.json").read_text())
    content["task_modules"] = json.loads((directory / "dags" / "modules.json").read_text())
    return content


def test_worker_is_safe_to_fork(report: dict[str, Any]) -> None:
    assert report["after"] == report["before"]
    assert report["after"]["threads"] == 1


def test_task_finds_its_imports_done(report: dict[str, Any]) -> None:
    assert report["code"] == 0
    own = {name for name in report["task_modules"] if name.startswith("unusual_prefix_")}
    # Without load_once these are over a hundred.
    assert len(set(report["task_modules"]) - set(report["modules"]) - own) <= 5
