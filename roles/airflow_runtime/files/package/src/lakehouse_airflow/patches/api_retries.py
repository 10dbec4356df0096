"""Patch the client of the API, so that a task outlasts an outage for a time, not for a number of attempts."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time import supervisor
from tenacity import wait_random_exponential

from lakehouse_airflow.patching import expect

if TYPE_CHECKING:
    from tenacity import RetryCallState

# Seconds before a task is started elsewhere, for what may come on top: a heartbeat older than the API's
# last answer (up to 10 s), the last attempt (5 s for each of its addresses), SIGTERM and SIGKILL (5 s each).
MARGIN = 45
RETRY_WAIT_MAX = 10  # seconds


def apply() -> None:
    """Patch Client.request, and let the first failed heartbeat be the last.

    How long attempts take depends on how they fail, and a call that follows a failed one has attempts of its
    own: no number lets a task survive a long outage and surely ends it before it is started elsewhere.
    """
    # What decides whether to try again is left as it is.
    original = Client.request.__wrapped__
    expect("apache-airflow-task-sdk", "1.2.2 1.3.2", {original: "f4fb1a129914e5c9 47a84818c29aec97"})
    timeout: int = conf.getint("lakehouse", "task_instance_heartbeat_timeout") - MARGIN

    @functools.wraps(original)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        response = original(self, *args, **kwargs)
        self.answered = time.monotonic()
        return response

    def left(state: RetryCallState) -> float:
        answered: float = getattr(state.args[0], "answered", state.start_time)
        return max(0.0, answered + timeout - time.monotonic())

    some_time = wait_random_exponential(max=RETRY_WAIT_MAX)
    # The last attempt is made when the time is up.
    retry = Client.request.retry.copy(
        stop=lambda state: left(state) < 0.1, wait=lambda state: min(some_time(state), left(state))
    )
    Client.request = retry.wraps(request)
    # A heartbeat that failed has used up all the time there was.
    supervisor.MAX_FAILED_HEARTBEATS = 1
