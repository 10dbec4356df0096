"""The patch api_retries, against the task SDK's own client; only the clock is set by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest
from airflow.configuration import conf
from airflow.sdk.api.client import Client, ServerResponseError
from airflow.sdk.execution_time import supervisor
from lakehouse_airflow.patches import api_retries

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = conf.getint("scheduler", "task_instance_heartbeat_timeout") - api_retries.MARGIN


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set to what they are, so that they are put back.
    monkeypatch.setattr(Client, "request", Client.request)
    monkeypatch.setattr(supervisor, "MAX_FAILED_HEARTBEATS", supervisor.MAX_FAILED_HEARTBEATS)


@pytest.fixture
def patched(restored: None) -> None:
    del restored
    api_retries.apply()


class Api:
    """While broken it answers with an error, if at all, and takes its time."""

    def __init__(self, clock: Clock, delay: float = 0, error: int | None = None) -> None:
        self.clock, self.delay, self.error = clock, delay, error
        self.attempts = 0
        self.broken: Callable[[], bool] = lambda: True
        self.client = Client(base_url="http://api", token="", transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.attempts += 1
        if not self.broken():
            return httpx.Response(204)
        self.clock.sleep(self.delay)
        if self.error:
            return httpx.Response(self.error, json={"detail": "broken"})
        raise httpx.ConnectError("refused", request=request)

    def fail(self) -> float:
        """Call, and return the seconds it took to fail."""
        start = self.clock.now
        with pytest.raises((httpx.RequestError, httpx.HTTPStatusError)):
            self.client.get("variables/x")
        return self.clock.now - start


def test_unpatched_a_call_fails_after_a_number_of_attempts(clock: Clock) -> None:
    api = Api(clock)
    api.fail()
    assert api.attempts == conf.getint("workers", "execution_api_retries")


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("delay", [0, 5, 15])
@pytest.mark.parametrize("error", [None, 500])
def test_a_call_fails_when_the_time_is_up(clock: Clock, delay: float, error: int | None) -> None:
    seconds = Api(clock, delay, error).fail()
    assert TIMEOUT - 0.1 <= seconds < TIMEOUT + delay + 0.1


@pytest.mark.usefixtures("patched")
def test_an_outage_ends_within_the_longest_wait(clock: Clock) -> None:
    api = Api(clock)
    end = clock.now + TIMEOUT - 0.2
    api.broken = lambda: clock.now < end
    api.client.get("variables/x")
    assert end <= clock.now <= end + api_retries.RETRY_WAIT_MAX


@pytest.mark.usefixtures("patched")
def test_calls_share_the_time_since_the_last_answer(clock: Clock) -> None:
    api = Api(clock)
    api.broken = lambda: False
    api.client.get("variables/x")
    answered = clock.now
    api.broken = lambda: True
    for _attempt in range(3):
        clock.sleep(5)
        api.fail()
    assert clock.now - answered < TIMEOUT + 3 * 5

    api.broken = lambda: False
    api.client.get("variables/x")
    api.broken = lambda: True
    assert api.fail() > TIMEOUT - 0.1


@pytest.mark.usefixtures("patched")
def test_a_refusal_is_not_tried_again(clock: Clock) -> None:
    api = Api(clock, error=409)
    with pytest.raises(ServerResponseError):
        api.client.get("variables/x")
    assert api.attempts == 1


@pytest.mark.usefixtures("patched")
def test_another_task_has_its_own_time(clock: Clock) -> None:
    first = Api(clock)
    first.broken = lambda: False
    first.client.get("variables/x")
    first.broken = lambda: True
    first.fail()
    assert Api(clock).fail() > TIMEOUT - 0.1


@pytest.mark.usefixtures("restored")
def test_the_time_follows_the_schedulers_timeout(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__LAKEHOUSE__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "600")
    api_retries.apply()
    assert Api(clock).fail() > 600 - api_retries.MARGIN - 0.1
