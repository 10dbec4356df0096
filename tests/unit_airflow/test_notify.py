"""What a worker tells systemd: hung is only whose loop stands still with nothing to wait for."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import lakehouse_notify
import pytest
from lakehouse_notify import Watchdog

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

    def heard(self) -> list[str]:
        said = []
        try:
            while True:
                said.append(self._socket.recv(100).decode())
        except BlockingIOError:
            return said

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path / "notify")
    yield systemd
    systemd.close()


@contextmanager
def server(reply: bytes) -> Iterator[str]:
    """Give the URL of a broker that answers each connection with ``reply``, or holds it without a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                connection.recv(100)
                connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"redis://u:p@127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in held:
        connection.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lakehouse_notify, "PATIENCE", 0.2)


def said_by(systemd: Systemd, *servers: str, turned: float, stopping: bool = False) -> list[str]:
    watchdog = Watchdog(systemd.address, 60.0, servers)
    watchdog.turned -= turned
    watchdog.stopping = stopping
    watchdog.look()
    return systemd.heard()


def test_turning_loop_is_alive(systemd: Systemd) -> None:
    with server(b"-NOAUTH\r\n") as broker:
        assert said_by(systemd, broker, turned=29) == ["WATCHDOG=1"]


def test_standing_loop_is_hung_if_all_it_waits_for_answers(systemd: Systemd) -> None:
    with server(b"-NOAUTH\r\n") as broker, server(b"N") as database:
        assert said_by(systemd, broker, database.replace("redis", "db+postgresql"), turned=31) == []


def test_standing_loop_is_alive_while_the_broker_is_down(systemd: Systemd) -> None:
    with server(b"N") as database:
        assert said_by(systemd, "redis://u:p@127.0.0.1:1/0", database, turned=3600) == ["WATCHDOG=1"]


def test_standing_loop_is_alive_while_the_broker_accepts_and_says_nothing(systemd: Systemd) -> None:
    with server(b"") as broker:
        assert said_by(systemd, broker, turned=3600) == ["WATCHDOG=1"]


def test_standing_loop_is_alive_while_the_result_database_is_down(systemd: Systemd) -> None:
    with server(b"-NOAUTH\r\n") as broker:
        assert said_by(systemd, broker, "db+postgresql://u:p@127.0.0.1:1/r", turned=3600) == ["WATCHDOG=1"]


def test_worker_of_a_broker_that_cannot_be_asked_is_not_killed(systemd: Systemd) -> None:
    assert said_by(systemd, "sentinel://one:26379;two:26379", turned=3600) == ["WATCHDOG=1"]


def test_stopping_worker_is_left_to_its_stop_timeout(systemd: Systemd) -> None:
    with server(b"-NOAUTH\r\n") as broker:
        assert said_by(systemd, broker, turned=600, stopping=True) == ["WATCHDOG=1"]


def test_systemd_that_does_not_listen_is_no_error(tmp_path: Path) -> None:
    Watchdog(str(tmp_path / "none"), 60.0, ()).tell("WATCHDOG=1")


def test_tasks_do_not_inherit_the_way_to_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    lakehouse_notify.prepare(SimpleNamespace())
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
