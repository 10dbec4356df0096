"""supervisor_exit and first_heartbeat, against the task SDK's own supervisor and real processes."""
# ruff: noqa: SLF001 - the patches are of private functions

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import ActivitySubprocess, WatchedSubprocess
from execution_api import ExecutionApi, workload
from lakehouse_airflow.patches import first_heartbeat, supervisor_exit

if TYPE_CHECKING:
    from collections.abc import Callable

OUTLIVES_SOCKETS = 0.3
INTERVAL = 2


def exit_late(code: int = 0) -> None:
    """Close the sockets and exit a moment later: what a busy machine does by chance."""
    os.closerange(0, 256)
    time.sleep(OUTLIVES_SOCKETS)
    os._exit(code)


def fail_late() -> None:
    exit_late(3)


def die_late() -> None:
    os.closerange(0, 256)
    time.sleep(OUTLIVES_SOCKETS)
    os.kill(os.getpid(), signal.SIGKILL)


def work() -> None:
    time.sleep(2.5)


def supervise(target: Callable[[], None], api: ExecutionApi | None = None) -> tuple[int, float]:
    """Return the exit code and how long it took until the supervisor knew."""
    task = workload()
    start = time.monotonic()
    process = ActivitySubprocess.start(
        what=task.ti,
        dag_rel_path=task.dag_rel_path,
        bundle_info=task.bundle_info,
        client=(api or ExecutionApi()).client,
        target=target,
    )
    return process.wait(), time.monotonic() - start


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def heartbeat_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MIN_HEARTBEAT_INTERVAL", INTERVAL)


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set to what it is, so that it is put back.
    monkeypatch.setattr(WatchedSubprocess, "_register_pipe_readers", WatchedSubprocess._register_pipe_readers)
    supervisor_exit.apply()


def test_unpatched_the_exit_is_noticed_an_interval_later() -> None:
    code, seconds = supervise(exit_late)
    assert code == 0
    # When this fails the SDK has fixed it, and supervisor_exit can go.
    assert seconds > INTERVAL


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(("target", "wanted"), [(exit_late, 0), (fail_late, 3), (die_late, -signal.SIGKILL)])
def test_exit_is_noticed_when_it_happens(target: Callable[[], None], wanted: int) -> None:
    code, seconds = supervise(target)
    assert code == wanted
    assert OUTLIVES_SOCKETS < seconds < 1.5


@pytest.mark.usefixtures("patched")
def test_sockets_are_read_to_their_end_after_the_exit() -> None:
    def leave_a_child() -> None:
        if os.fork():
            os._exit(0)
        time.sleep(0.5)
        os._exit(0)

    seconds = supervise(leave_a_child)[1]
    assert 0.5 < seconds < 1.5


@pytest.mark.usefixtures("patched")
def test_no_descriptor_is_left_behind() -> None:
    supervise(exit_late)
    before = descriptors()
    supervise(exit_late)
    supervise(lambda: os._exit(0))
    assert descriptors() == before


def test_heartbeats_are_as_many_as_unpatched(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(supervisor, "MIN_HEARTBEAT_INTERVAL", 1)
    unpatched, patched = ExecutionApi(), ExecutionApi()
    supervise(work, unpatched)
    request.getfixturevalue("patched")
    supervise(work, patched)
    assert patched.requests["heartbeat"] == unpatched.requests["heartbeat"] > 0


def test_the_api_is_told_the_same() -> None:
    api = ExecutionApi()
    supervise(fail_late, api)
    assert api.requests["run"] == 1
    assert api.requests["state"] == 1


def print_and_work() -> None:
    # What a task prints wakes its supervisor before the interval is over.
    print("working", flush=True)
    time.sleep(2.5)


@pytest.fixture
def first_heartbeat_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActivitySubprocess, "_on_child_started", ActivitySubprocess._on_child_started)
    first_heartbeat.apply()


@pytest.mark.parametrize(("target", "heartbeats"), [(exit_late, 1), (print_and_work, 3)])
def test_the_start_counts_as_heartbeat(
    target: Callable[[], None],
    heartbeats: int,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue("patched")
    monkeypatch.setattr(supervisor, "MIN_HEARTBEAT_INTERVAL", 1)
    api = ExecutionApi()
    supervise(target, api)
    # When this fails the SDK has fixed it, and first_heartbeat can go.
    assert api.requests["heartbeat"] == heartbeats

    request.getfixturevalue("first_heartbeat_patched")
    api = ExecutionApi()
    supervise(target, api)
    assert api.requests["run"] == 1
    assert api.requests["heartbeat"] == heartbeats - 1
