"""The worker's Celery configuration: Airflow's own, and with it what spares its tasks waits and work.

Named by `[celery] celery_config_options` of the worker alone. docs/upstream.md has the findings.
"""
# Mending what others wrote means touching their private parts.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import importlib
import io
import os
import selectors
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import lakehouse_notify  # noqa: F401 - it connects itself to the worker's signals
from airflow.configuration import conf
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import import_modules
from lakehouse_mends import UnexpectedCodeError, apply, expect
from pydantic import JsonValue, TypeAdapter
from tenacity import wait_random_exponential

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

CELERY_CONFIG = DEFAULT_CELERY_CONFIG

# Seconds before a task is started elsewhere, for what may come on top: a heartbeat older than the API's
# last answer (up to 10 s), the last attempt (5 s for each of its addresses), SIGTERM and SIGKILL (5 s each).
MARGIN = 45
RETRY_WAIT_MAX = 10  # seconds

# What Airflow imports for a task only once the task is there: the first two in each slot, the others in the
# process of every single task, which is forked from the slot. None opens a connection or starts a thread.
SHARED_IMPORTS = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.dag_processing.bundles.local",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.providers.standard.decorators.python",
    # Looked up when the API's host name is first encoded.
    "encodings.idna",
)


def wake_on_exit() -> None:
    """Let the supervisor's wait end when its task's process does.

    It waits for the task's sockets, looks whether the process is gone too and, where that takes a moment
    longer, waits a whole min_heartbeat_interval for sockets that are no more. A pidfd beside them wakes it
    at the exit itself: no polling, however long a process outlives its sockets, and heartbeats as before.
    """
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess  # noqa: PLC0415 - only workers need it

    expect(
        "apache-airflow-task-sdk",
        "1.3.2",
        {
            WatchedSubprocess._register_pipe_readers: "9b3d202845e34a9c",
            WatchedSubprocess._on_socket_closed: "ded36396cf737009",
            WatchedSubprocess._service_subprocess: "42a762c7c8aa4ea5",
            WatchedSubprocess._check_subprocess_exit: "dc039d1f36e9b6cd",
        },
    )
    # Old kernels and some sandboxes refuse; better known now than in the middle of a task.
    os.close(os.pidfd_open(os.getpid()))
    original = WatchedSubprocess._register_pipe_readers

    @functools.wraps(original)
    def register_pipe_readers(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        # Out of descriptors: this task is waited for as before.
        with suppress(OSError):
            # A file object closes itself when the selector, which keeps the only reference, lets go of it.
            exited = io.FileIO(os.pidfd_open(self.pid))
            self.selector.register(exited, selectors.EVENT_READ, (lambda _: False, self._on_socket_closed))

    WatchedSubprocess._register_pipe_readers = register_pipe_readers


def remember_busy_slots() -> None:
    """Let the pool know after a reconnect which slots run a task.

    Otherwise it hands the next task to a busy slot, where it waits for the running one while others are free.
    Celery 5.7.0 has this (https://github.com/celery/celery/pull/10346), but Airflow 3.3.2 does not run on it.
    """
    from celery.concurrency.asynpool import AsynPool  # noqa: PLC0415 - only workers need it

    expect("celery", "5.6.3", {AsynPool.flush: "7315a8aaaf155e0c"})
    original = AsynPool.flush

    @functools.wraps(original)
    def flush(self: Any) -> None:
        running = [
            (number, job, slot)
            for number, job in self._cache.items()
            if job._accepted
            and (slot := job._write_to or job._scheduled_for)
            and slot.inqW_fd in self._busy_workers
        ]
        original(self)
        # Descriptors are reused: a slot counts only while it is the very process that has the job, and lives.
        self._busy_workers.update(
            slot.inqW_fd
            for number, job, slot in running
            if number in self._cache and slot is (job._write_to or job._scheduled_for) and slot._is_alive()
        )

    AsynPool.flush = flush


def outlast_outages() -> None:
    """Let a task try to reach the API for a time, not for a number of attempts, and then end.

    How long attempts take depends on how they fail, and a call that follows a failed one has attempts of its
    own: no number lets a task survive a long outage and surely ends it before it is started elsewhere.
    """
    from airflow.sdk.api.client import Client  # noqa: PLC0415 - only workers need it
    from airflow.sdk.execution_time import supervisor  # noqa: PLC0415

    # What decides whether to try again is left as it is.
    original = Client.request.__wrapped__
    expect("apache-airflow-task-sdk", "1.3.2", {original: "47a84818c29aec97"})
    patience: int = conf.getint("lakehouse", "task_instance_heartbeat_timeout") - MARGIN

    @functools.wraps(original)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        response = original(self, *args, **kwargs)
        self.answered = time.monotonic()
        return response

    def left(state: RetryCallState) -> float:
        answered: float = getattr(state.args[0], "answered", state.start_time)
        return max(0.0, answered + patience - time.monotonic())

    some_time = wait_random_exponential(max=RETRY_WAIT_MAX)
    # The last attempt is made when the time is up.
    retry = Client.request.retry.copy(
        stop=lambda state: left(state) < 0.1, wait=lambda state: min(some_time(state), left(state))
    )
    Client.request = retry.wraps(request)
    # A heartbeat that failed has used up all the time there was.
    supervisor.MAX_FAILED_HEARTBEATS = 1


def count_the_start_as_heartbeat() -> None:
    """Send a task's first heartbeat an interval after its start, which has just told the API the same."""
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess  # noqa: PLC0415 - only workers need it

    original = ActivitySubprocess._on_child_started
    expect(
        "apache-airflow-task-sdk",
        "1.3.2",
        {original: "c1810e9d6d095987", ActivitySubprocess._send_heartbeat_if_needed: "31f8f8772b8c6096"},
    )

    @functools.wraps(original)
    def on_child_started(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self._last_heartbeat_attempt = self._last_successful_heartbeat

    ActivitySubprocess._on_child_started = on_child_started


def share_decoders() -> None:
    """Build once what decodes a task's messages and checks its templates, not five times in each task."""
    from airflow.sdk.execution_time import comms, task_runner  # noqa: PLC0415 - only workers need it

    # What they share has no state.
    messages = attrs.fields(comms.CommsDecoder).body_decoder.default.factory
    templates = task_runner._serialize_rendered_fields.__wrapped__
    expect("apache-airflow-task-sdk", "1.3.2", {messages: "d478b999da48f4e5", templates: "cacd37ff4beb125c"})
    adapter = functools.cache(TypeAdapter)
    for kind in (comms.ToTask, JsonValue):
        adapter(kind)
    comms.TypeAdapter = task_runner.TypeAdapter = adapter


def load_once() -> None:
    """Load before the pool forks what every slot and every task would load for itself."""
    missing = []
    for name in SHARED_IMPORTS:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing.append(str(error))
    if missing:
        raise UnexpectedCodeError("; ".join(missing))
    # The trusted certificates: 80 ms and 4 MB in each slot. Client reads them once a process, and connects to
    # nothing before it is asked something.
    importlib.import_module("airflow.sdk.api.client").Client(base_url="http://localhost", token="").close()
    # A first result makes SQLAlchemy map its table and, through a hook of Airflow's, all models: 5 MB.
    importlib.import_module("celery.backends.database.models").Task("")


MENDS: dict[str, Callable[[], None]] = {
    "Waking at a task's exit": wake_on_exit,
    "Remembering busy slots over a reconnect": remember_busy_slots,
    "Outlasting outages of the API": outlast_outages,
    "Loading once for all slots": load_once,
    "Sharing decoders": share_decoders,
    "Counting a start as heartbeat": count_the_start_as_heartbeat,
}


def prepare_worker(**_: Any) -> None:
    apply(MENDS)


# Sent by a worker alone, after its helpers have forked and before its slots do: no other command pays.
import_modules.connect(prepare_worker)
