"""Fork tasks from a server of their own, which knows none of the credentials of the worker.

By itself Airflow forks a task from the slot that supervises it: the task finds the passwords of broker and
results, and the key of task logs, in its environment and memory, and in those of the worker. A fresh
interpreter for each task would have none, but costs two seconds of CPU. So a worker starts one, the server:

    worker --+-- slot ---- delegate, the process of the task as far as the slot knows
             +-- server -- task

The task talks to its slot by the same sockets as always. Nobody else of their user reads the memory,
environment or descriptors of the worker's processes, or traces them: they are not dumpable.
"""
# ruff: noqa: SLF001 - Airflow has no public way to fork a task

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.callback_supervisor import CallbackSubprocess
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
from celery import bootsteps

from lakehouse_airflow.fork_server import PR_SET_DUMPABLE, prctl
from lakehouse_airflow.patching import expect

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

log = logging.getLogger(__name__)

# No task needs an option of Celery; the key is that of task logs.
CREDENTIALS = ("AIRFLOW__CELERY", "AIRFLOW__API__SECRET_KEY")
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
LOST = 125


class Isolation:
    """The worker's side of the server.

    What fails here must end the worker, or the task: none may run as a fork of its slot.
    """

    def __init__(self) -> None:
        expect(
            "apache-airflow-task-sdk",
            "1.3.2",
            {
                supervisor._fork_main: "7b7b028048040028",
                WatchedSubprocess.start: "bf0ee2e40b8558a6",
                CallbackSubprocess.start: "5f04474c10c04ad1",
            },
        )
        self.slots, self.server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process: subprocess.Popen[bytes] | None = None
        supervisor._fork_main = functools.partial(delegate, self.slots)

    def start(self, **_: Any) -> None:
        """Start the server."""
        # -P: what stands in the working directory is not imported.
        command = [sys.executable, "-P", "-m", "lakehouse_airflow.fork_server"]
        with self.server:
            self.process = subprocess.Popen(command, stdin=self.server.fileno())

    def check(self) -> None:
        """Stop the worker when its server, and with it all tasks, has ended: systemd starts both again."""
        if self.process is None or self.process.poll() is not None:
            log.error("Isolation: the server of the tasks has ended, so the worker stops")
            os.kill(os.getpid(), signal.SIGTERM)

    def connect(self, sender: Any, **_: Any) -> None:
        """Let a worker check its server."""
        check = self.check

        class Check(bootsteps.StartStopStep):
            """Begins anew with each connection, as all timers do."""

            requires = ("celery.worker.consumer.connection:Connection",)
            timer: Any = None

            def start(self, parent: Any) -> None:
                self.timer = parent.timer.call_repeatedly(1, check)

            def stop(self, parent: Any) -> None:
                del parent
                if self.timer is not None:
                    self.timer.cancel()

        sender.app.steps["consumer"].add(Check)


def take_credentials(environment: MutableMapping[str, str], configuration: Any) -> None:
    """Move credentials from the environment, which the server inherits, into the configuration's memory."""
    # This closes the environment that the process was started with, too.
    prctl(PR_SET_DUMPABLE, 0)
    for name in [name for name in environment if name.startswith(CREDENTIALS)]:
        section, option = name.removeprefix("AIRFLOW__").lower().split("__", maxsplit=1)
        configuration.set(section, option, environment.pop(name).replace("%", "%%"))


def delegate(  # noqa: PLR0913, PLR0917 - those of the function that it replaces
    slots: socket.socket,
    requests: socket.socket,
    stdout: socket.socket,
    stderr: socket.socket,
    log_fd: int,
    target: Callable[[], None],
) -> NoReturn:
    """Have the server fork a task, and be its process to the slot: pass signals on, and end as it ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for number in FORWARDED:
        signal.signal(number, lambda number, _: ours.send(bytes([number])))
    # A callback has its arguments in a closure.
    arguments = None if target is supervisor._subprocess_main else inspect.getclosurevars(target).nonlocals
    message = json.dumps(arguments, default=lambda bundle: bundle.model_dump(mode="json"))
    files = [requests.fileno(), stdout.fileno(), stderr.fileno(), log_fd, theirs.fileno()]
    socket.send_fds(slots, [message.encode()], files)
    # The slot waits until nobody has them.
    for fd in files:
        os.close(fd)
    try:
        code = int(ours.recv(16) or LOST)
    except OSError:
        code = LOST
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
