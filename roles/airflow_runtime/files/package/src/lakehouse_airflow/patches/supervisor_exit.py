"""Patch the supervisor's wait, so that it ends when its task's process does."""
# ruff: noqa: SLF001 - a patch replaces private functions

from __future__ import annotations

import functools
import io
import os
import selectors
from contextlib import suppress
from typing import Any

from airflow.sdk.execution_time.supervisor import WatchedSubprocess

from lakehouse_airflow.patching import expect


def apply() -> None:
    """Patch WatchedSubprocess._register_pipe_readers.

    The supervisor waits for the task's sockets, checks whether the process is gone too and, where that takes
    a moment longer, waits a whole min_heartbeat_interval for sockets that are closed. A pidfd beside them
    wakes it at the exit itself: no polling, however long a process outlives its sockets, and heartbeats as
    before.
    """
    expect(
        "apache-airflow-task-sdk",
        "1.2.2 1.3.2",
        {
            WatchedSubprocess._register_pipe_readers: "48362a58feccba32 9b3d202845e34a9c",
            WatchedSubprocess._on_socket_closed: "a30bdec7ee736907 ded36396cf737009",
            WatchedSubprocess._service_subprocess: "42a762c7c8aa4ea5",
            WatchedSubprocess._check_subprocess_exit: "f73f9990b92f185a dc039d1f36e9b6cd",
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
