"""Tasks and callbacks are forked from a process that has no credentials, and are otherwise as they were."""
# ruff: noqa: SLF001 - Airflow has no public way to fork a task

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import ActivitySubprocess
from execution_api import ExecutionApi, workload
from lakehouse_airflow import patching

# Airflow 3.2 has none, and roles/airflow refuses to isolate its tasks.
callback_supervisor = pytest.importorskip("airflow.sdk.execution_time.callback_supervisor")
isolation = pytest.importorskip("lakehouse_airflow.isolation")
Isolation, PR_SET_DUMPABLE = isolation.Isolation, isolation.PR_SET_DUMPABLE
CallbackSubprocess = callback_supervisor.CallbackSubprocess

if TYPE_CHECKING:
    from collections.abc import Iterator

URLS = {
    "AIRFLOW__CELERY__BROKER_URL": "redis://worker:pass%2Fword-of-the-broker@localhost:1/0",
    "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://results:password-of-results@localhost:1/results",
    "AIRFLOW__API__SECRET_KEY": "key-of-task-logs",
}
ORIGINAL = supervisor._fork_main
# As a worker: imports the Celery configuration, with all that is in it.
WORKER = """
import ctypes, json, os, sys
from airflow.configuration import conf
from lakehouse_airflow import worker
print(json.dumps({
    "environment": dict(os.environ),
    "celery": [worker.CELERY_CONFIG["broker_url"], worker.CELERY_CONFIG["result_backend"]],
    "options": [conf.get(*option) for option in
                (("celery", "broker_url"), ("celery", "result_backend"), ("api", "secret_key"))],
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
}))
"""
# What the DAG of this test's tasks does, by the name of the task.
DAG = """
import ctypes, json, os, signal, time
from pathlib import Path
from airflow.sdk import DAG, task

out = Path(os.environ["TEST_OUT"])

with DAG("example", schedule=None):
    @task
    def report():
        out.write_text(json.dumps({
            "environment": dict(os.environ),
            "descriptors": sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                                  if os.path.exists(f"/proc/self/fd/{fd}")),
            "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
            "directory": os.getcwd(),
            "group": os.getpgid(0) == os.getpid(),
        }))
    @task
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
    @task
    def leave():
        os._exit(7)
    @task
    def wait():
        signal.signal(signal.SIGTERM, lambda *_: os._exit(9))
        out.write_text(str(os.getpid()))
        time.sleep(60)
    report(), die(), leave(), wait()

def callback(context=None, **arguments):
    out.write_text(json.dumps({"arguments": arguments, "environment": dict(os.environ)}))
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("isolation") / "out.json"


@pytest.fixture(scope="module")
def server(out: Path) -> Iterator[Any]:
    dags = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    dags.mkdir(parents=True, exist_ok=True)
    (dags / "isolated.py").write_text(DAG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "_fork_main", supervisor._fork_main)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        patch.setenv("TEST_OUT", str(out))
        isolated = Isolation()
        isolated.start()
        # Only this process has it, and what it forks.
        patch.setenv("AIRFLOW__API__SECRET_KEY", "key-of-task-logs")
        yield isolated
        isolated.slots.close()
        assert isolated.process
        assert isolated.process.wait(timeout=10) == 0


@pytest.fixture(autouse=True)
def prepare(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out.unlink(missing_ok=True)
    # Unpatched, a supervisor may notice an exit this late.
    for module in (supervisor, callback_supervisor):
        monkeypatch.setattr(module, "MIN_HEARTBEAT_INTERVAL", 0.5)


def start(task_id: str) -> ActivitySubprocess:
    task = workload()
    return ActivitySubprocess.start(
        what=task.ti.model_copy(update={"task_id": task_id}),
        dag_rel_path="isolated.py",
        bundle_info=task.bundle_info,
        client=ExecutionApi().client,
    )


def serve(process: ActivitySubprocess, file: Path) -> str:
    """Answer the task until it has written the file, and return what it wrote."""
    deadline = time.monotonic() + 30
    while not (text := file.read_text() if file.exists() else ""):
        assert time.monotonic() < deadline
        process._service_subprocess(0.1)
    return text


def ended(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_credentials_are_in_the_memory_of_the_worker_alone(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", WORKER],
        env=os.environ
        | URLS
        | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__LAKEHOUSE__ISOLATE_TASKS": "True",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(process.stdout.splitlines()[-1])
    assert not [name for name in found["environment"] if name.startswith(isolation.CREDENTIALS)]
    assert not [text for text in found["environment"].values() if "password-of" in text or "key-of" in text]
    assert found["options"] == list(URLS.values())
    assert found["celery"] == list(URLS.values())[:2]
    assert found["dumpable"] == 0


@pytest.mark.usefixtures("server")
def test_task_runs_without_what_the_worker_has(out: Path) -> None:
    process = start("report")
    assert process.wait() == 0
    assert process.final_state == "success"
    found = json.loads(out.read_text())
    assert "AIRFLOW__API__SECRET_KEY" not in found["environment"]
    assert "_AIRFLOW_FORK_EXEC" not in found["environment"]
    # Four sockets, three of them also as the standard ones, and the worker's standard error.
    others = {name for name in found["descriptors"] if not name.startswith(("socket:", "/dev/null", "pipe:"))}
    assert len(found["descriptors"]) <= 8, found["descriptors"]
    assert others <= {str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in (0, 1, 2)}
    assert found["dumpable"] == 0
    assert found["directory"] == os.environ["AIRFLOW_HOME"]
    assert found["group"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("task_id", "code"), [("die", -signal.SIGKILL), ("leave", 7)])
def test_end_of_a_task_is_that_of_its_process(task_id: str, code: int) -> None:
    assert start(task_id).wait() == code


@pytest.mark.usefixtures("server")
def test_signals_reach_the_task(out: Path) -> None:
    process = start("wait")
    pid = int(serve(process, out))
    assert pid != process.pid
    process.kill(signal.SIGTERM, escalation_delay=10)
    assert process._exit_code == 9
    assert ended(pid)


@pytest.mark.usefixtures("server")
def test_a_task_that_is_killed_is_gone(out: Path) -> None:
    process = start("wait")
    pid = int(serve(process, out))
    process.kill(signal.SIGKILL)
    assert process._exit_code == -signal.SIGKILL
    assert ended(pid)


@pytest.mark.usefixtures("server")
def test_callback_is_forked_by_the_server_too(out: Path) -> None:
    process = CallbackSubprocess.start(
        id=str(uuid.uuid4()),
        callback_path="unusual_prefix_0_isolated.callback",
        callback_kwargs={"text": "ä", "number": 1},
        dag_rel_path="isolated.py",
        bundle_info=workload().bundle_info,
        client=ExecutionApi().client,
    )
    assert process.wait() == 0
    found = json.loads(out.read_text())
    assert found["arguments"] == {"text": "ä", "number": 1}
    assert "AIRFLOW__API__SECRET_KEY" not in found["environment"]


def test_without_a_server_no_task_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_fork_main", ORIGINAL)
    stopped: list[Any] = []
    monkeypatch.setattr(os, "kill", lambda *arguments: stopped.append(arguments))
    isolated = Isolation()
    isolated.server.close()
    assert start("report").wait() == 124
    isolated.check()
    assert stopped == [(os.getpid(), signal.SIGTERM)]


def test_other_versions_end_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "version", lambda _: "1.4.0")
    monkeypatch.setattr(supervisor, "_fork_main", ORIGINAL)
    with pytest.raises(patching.UnexpectedCodeError):
        Isolation()
    assert supervisor._fork_main is ORIGINAL


def test_tasks_end_with_their_server(monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    dags = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    dags.mkdir(parents=True, exist_ok=True)
    (dags / "isolated.py").write_text(DAG)
    monkeypatch.setattr(supervisor, "_fork_main", ORIGINAL)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("TEST_OUT", str(out))
    isolated = Isolation()
    isolated.start()
    process = start("wait")
    pid = int(serve(process, out))
    assert isolated.process
    isolated.process.kill()
    assert process.wait() == isolation.LOST
    assert ended(pid)
    isolated.process.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_prctl_closes_the_environment_to_the_same_user() -> None:
    """The kernel's part, with the environment that a process was started with."""

    def opens(before: str) -> bool:
        code = f"{before}; print(flush=True); input()"
        with subprocess.Popen(
            ["setpriv", "--reuid=1", "--regid=1", "--clear-groups", "/usr/bin/python3", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout
            process.stdout.readline()
            probe = subprocess.run(
                [
                    "setpriv",
                    "--reuid=1",
                    "--regid=1",
                    "--clear-groups",
                    "cat",
                    f"/proc/{process.pid}/environ",
                ],
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            process.communicate(b"\n")
        return probe.returncode == 0

    assert opens("pass")
    assert not opens(f"import ctypes; ctypes.CDLL(None).prctl({PR_SET_DUMPABLE}, 0, 0, 0, 0)")
