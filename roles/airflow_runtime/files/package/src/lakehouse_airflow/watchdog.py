"""Notify systemd that the worker is ready and, every few seconds, that it is alive.

Ready means connected to the broker, registered and consuming. A worker is alive while its event loop turns.
One whose loop stands still although all it may be waiting for answers is hung: systemd kills and restarts
it. One that waits for the broker or the result database is not, however long that takes: its tasks go on.
But where that database has accepted a query and freezes, the wait is in C, and no signal is handled.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg2
import redis
from celery import bootsteps
from celery.signals import worker_ready, worker_shutting_down

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_TIMEOUT = 2  # seconds


def answers(url: str) -> bool:
    """Return whether a server would serve the worker: False for one that cannot be asked."""
    try:
        if url.startswith(("redis://", "rediss://")):
            with redis.Redis.from_url(
                url, socket_timeout=ANSWER_TIMEOUT, socket_connect_timeout=ANSWER_TIMEOUT
            ) as broker:
                return bool(broker.ping())
        if url.startswith("db+postgresql://"):
            psycopg2.connect(url.removeprefix("db+"), connect_timeout=ANSWER_TIMEOUT).close()
            return True
    except (redis.RedisError, psycopg2.Error):
        pass
    return False


class Watchdog:
    """Sends WATCHDOG=1 as long as the worker should not be killed.

    :param address: of systemd's socket, as in NOTIFY_SOCKET
    :param timeout: seconds without a message after which systemd kills the worker, as in WATCHDOG_USEC
    :param servers: URLs of what the event loop may have to wait for
    """

    def __init__(self, address: str, timeout: float, servers: Sequence[str]) -> None:
        self.address = "\0" + address[1:] if address.startswith("@") else address
        self.timeout = timeout
        self.servers = servers
        self.turned = time.monotonic()
        self.stopping = False

    def notify(self, state: str) -> None:
        """Send a state to systemd."""
        # Called in the middle of anything: an error here must not surface there.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), self.address)

    def turn(self) -> None:
        """Note that the event loop turns."""
        self.turned = time.monotonic()

    def check(self, *_: Any) -> None:
        """Tell systemd that the worker is alive, unless it is hung."""
        stands = time.monotonic() - self.turned > self.timeout / 2
        # A worker that is told to stop leaves its loop and waits for its tasks: TimeoutStopSec is for that.
        if stands and not self.stopping:
            if all(map(answers, self.servers)):
                return
            # It may have waited until now, and may sleep on before it tries again.
            self.turn()
        self.notify("WATCHDOG=1")

    def ready(self, **_: Any) -> None:
        """Tell systemd that the worker is ready, and start to check it."""
        self.turn()
        self.notify("READY=1")
        if self.timeout:
            # A signal is handled even while the loop blocks in Python; unlike a thread it is safe to fork.
            signal.signal(signal.SIGALRM, self.check)
            signal.setitimer(signal.ITIMER_REAL, self.timeout / 3, self.timeout / 3)
            # At its end Python lets go of signals, and the next one would kill the process.
            atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)

    def stop(self, **_: Any) -> None:
        """Tell systemd that the worker stops."""
        self.stopping = True
        self.notify("STOPPING=1")


def connect(sender: Any, **_: Any) -> None:
    """Connect a worker to systemd, where systemd has started it and asks to be notified."""
    # Taken away: a task's own programs must not talk to systemd in the worker's name.
    address = os.environ.pop("NOTIFY_SOCKET", None)
    microseconds = os.environ.pop("WATCHDOG_USEC", "0")
    os.environ.pop("WATCHDOG_PID", None)
    if address is None:
        return
    conf = sender.app.conf
    watchdog = Watchdog(address, int(microseconds) / 1e6, (conf.broker_url, conf.result_backend))

    class Pulse(bootsteps.StartStopStep):
        """Notes that the event loop turns; begins anew with each connection, as all timers do."""

        requires = ("celery.worker.consumer.connection:Connection",)
        timer: Any = None

        def start(self, parent: Any) -> None:
            watchdog.turn()
            self.timer = parent.timer.call_repeatedly(watchdog.timeout / 6 or 10, watchdog.turn)

        def stop(self, parent: Any) -> None:
            del parent
            if self.timer is not None:
                self.timer.cancel()

    sender.app.steps["consumer"].add(Pulse)
    worker_ready.connect(watchdog.ready, weak=False)
    worker_shutting_down.connect(watchdog.stop, weak=False)
    # systemd's SIGABRT to a hung worker then leaves in the journal where it hangs.
    faulthandler.enable()
