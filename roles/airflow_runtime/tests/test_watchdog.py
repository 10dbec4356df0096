"""What a worker tells systemd: it is hung only if its loop stands still with nothing to wait for."""

from __future__ import annotations

import faulthandler
import os
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from celery.signals import worker_ready, worker_shutting_down
from lakehouse_airflow import watchdog
from lakehouse_airflow.watchdog import Watchdog, answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Systemd:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(0)

    def received(self) -> list[str]:
        states = []
        try:
            while True:
                states.append(self._socket.recv(100).decode())
        except BlockingIOError:
            return states

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path / "notify")
    yield systemd
    systemd.close()


@contextmanager
def broker(*replies: bytes) -> Iterator[str]:
    """Yield the URL of a broker that replies so to a login and a PING, or not at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                held.append(connection)
                while replies and (asked := connection.recv(1000)):
                    for command in asked.split(b"*")[1:]:
                        connection.sendall(replies[b"PING" in command])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"redis://u:p@127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in held:
        connection.close()


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "ANSWER_TIMEOUT", 0.2)


HEALTHY = (b"+OK\r\n", b"+PONG\r\n")


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (HEALTHY, True),
        ((b"+OK\r\n", b"-LOADING the dataset\r\n"), False),
        ((b"-WRONGPASS invalid\r\n", b"-NOAUTH\r\n"), False),
        ((b"-ERR max number of clients reached\r\n",) * 2, False),
        ((), False),
    ],
    ids=["serves", "loads its data", "refuses the login", "is full", "accepts and does not reply"],
)
def test_broker_answers_only_if_it_would_serve(replies: tuple[bytes, ...], expected: object) -> None:
    with broker(*replies) as url:
        assert answers(url) is expected


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:p@127.0.0.1:1/0",
        "db+postgresql://u:p@127.0.0.1:1/r",
        "sentinel://one:26379;two:26379",
    ],
)
def test_server_that_is_down_or_cannot_be_asked_does_not_answer(url: str) -> None:
    assert not answers(url)


def sent_to(systemd: Systemd, *servers: str, turned: float, stopping: bool = False) -> list[str]:
    dog = Watchdog(systemd.address, 60.0, servers)
    dog.turned -= turned
    if stopping:
        dog.stop()
    dog.check()
    return systemd.received()


def test_turning_loop_is_alive(systemd: Systemd) -> None:
    with broker(*HEALTHY) as url:
        assert sent_to(systemd, url, turned=29) == ["WATCHDOG=1"]


def test_standing_loop_is_hung_if_all_it_waits_for_answers(systemd: Systemd) -> None:
    with broker(*HEALTHY) as url:
        assert sent_to(systemd, url, turned=31) == []


def test_standing_loop_is_alive_while_one_it_may_wait_for_does_not_answer(systemd: Systemd) -> None:
    with broker(*HEALTHY) as url:
        assert sent_to(systemd, url, "db+postgresql://u:p@127.0.0.1:1/r", turned=3600) == ["WATCHDOG=1"]


def test_loop_that_waited_has_time_to_turn_again(systemd: Systemd) -> None:
    with broker() as url:
        dog = Watchdog(systemd.address, 60.0, (url,))
        dog.turned -= 3600
        dog.check()
    with broker(*HEALTHY) as url:
        dog.servers = (url,)
        dog.check()
    assert systemd.received() == ["WATCHDOG=1"] * 2


def test_stopping_worker_is_left_to_its_stop_timeout(systemd: Systemd) -> None:
    with broker(*HEALTHY) as url:
        assert sent_to(systemd, url, turned=600, stopping=True) == ["STOPPING=1", "WATCHDOG=1"]


def test_no_signal_comes_after_the_end_of_python(systemd: Systemd) -> None:
    """What was registered first is called last."""
    program = (
        "import atexit, signal;"
        "atexit.register(lambda: print(signal.getitimer(signal.ITIMER_REAL)));"
        "from lakehouse_airflow.watchdog import Watchdog;"
        f"Watchdog({systemd.address!r}, 60.0, ()).ready()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout == "(0.0, 0.0)\n"


def test_systemd_that_does_not_listen_is_no_error(tmp_path: Path) -> None:
    Watchdog(str(tmp_path / "none"), 60.0, ()).notify("WATCHDOG=1")


def test_worker_keeps_systemds_socket_to_itself(monkeypatch: pytest.MonkeyPatch, systemd: Systemd) -> None:
    """Tasks inherit none of it; the worker notifies when it is ready and when it stops."""
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    monkeypatch.setenv("WATCHDOG_USEC", "0")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setattr(worker_ready, "receivers", [])
    monkeypatch.setattr(worker_shutting_down, "receivers", [])
    steps: dict[str, set[type]] = defaultdict(set)
    conf = SimpleNamespace(broker_url="", result_backend="")
    watchdog.connect(SimpleNamespace(app=SimpleNamespace(conf=conf, steps=steps)))
    faulthandler.disable()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
    assert [step.__name__ for step in steps["consumer"]] == ["Pulse"]
    worker_ready.send(sender=None)
    worker_shutting_down.send(sender=None)
    assert systemd.received() == ["READY=1", "STOPPING=1"]
