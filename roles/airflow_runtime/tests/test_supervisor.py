"""What is mended of the supervisor, against the task SDK's own supervisor and real processes."""
# The mends are of private parts.
# ruff: noqa: SLF001

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lakehouse_worker
import pytest
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import ActivitySubprocess, WatchedSubprocess
from execution_api import ExecutionApi, workload

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
    """Give the exit code and how long it took until the supervisor knew."""
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
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set to what it is, so that it is put back.
    monkeypatch.setattr(WatchedSubprocess, "_register_pipe_readers", WatchedSubprocess._register_pipe_readers)
    lakehouse_worker.wake_on_exit()


def test_airflow_alone_sleeps_over_the_exit() -> None:
    code, seconds = supervise(exit_late)
    assert code == 0
    # When this fails the SDK has been mended, and wake_on_exit can go.
    assert seconds > INTERVAL


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize(("target", "wanted"), [(exit_late, 0), (fail_late, 3), (die_late, -signal.SIGKILL)])
def test_exit_is_noticed_when_it_happens(target: Callable[[], None], wanted: int) -> None:
    code, seconds = supervise(target)
    assert code == wanted
    assert OUTLIVES_SOCKETS < seconds < 1.5


@pytest.mark.usefixtures("mended")
def test_sockets_are_read_to_their_end_after_the_exit() -> None:
    def leave_a_heir() -> None:
        if os.fork():
            os._exit(0)
        time.sleep(0.5)
        os._exit(0)

    _, seconds = supervise(leave_a_heir)
    assert 0.5 < seconds < 1.5


@pytest.mark.usefixtures("mended")
def test_no_descriptor_is_left_behind() -> None:
    supervise(exit_late)
    before = descriptors()
    supervise(exit_late)
    supervise(lambda: os._exit(0))
    assert descriptors() == before


def test_heartbeats_are_as_many_as_without(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(supervisor, "MIN_HEARTBEAT_INTERVAL", 1)
    alone, both = ExecutionApi(), ExecutionApi()
    supervise(work, alone)
    request.getfixturevalue("mended")
    supervise(work, both)
    assert both.requests["heartbeat"] == alone.requests["heartbeat"] > 0


def test_the_api_is_told_the_same() -> None:
    api = ExecutionApi()
    supervise(fail_late, api)
    assert api.requests["run"] == 1
    assert api.requests["state"] == 1


def speak_and_work() -> None:
    # What a task says wakes its supervisor before the interval is over.
    print("working", flush=True)
    time.sleep(2.5)


@pytest.fixture
def start_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActivitySubprocess, "_on_child_started", ActivitySubprocess._on_child_started)
    lakehouse_worker.count_the_start_as_heartbeat()


@pytest.mark.parametrize(("target", "alone"), [(exit_late, 1), (speak_and_work, 3)])
def test_the_start_spares_a_heartbeat(
    target: Callable[[], None], alone: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("mended")
    monkeypatch.setattr(supervisor, "MIN_HEARTBEAT_INTERVAL", 1)
    api = ExecutionApi()
    supervise(target, api)
    # When this fails the SDK has been mended, and count_the_start_as_heartbeat can go.
    assert api.requests["heartbeat"] == alone

    request.getfixturevalue("start_counts")
    api = ExecutionApi()
    supervise(target, api)
    assert api.requests["run"] == 1
    assert api.requests["heartbeat"] == alone - 1
