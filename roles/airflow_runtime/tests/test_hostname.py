"""The name of a host: as Airflow asks for it, and as Celery's worker bears it."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.utils.net import get_hostname
from celery.utils.nodenames import default_nodename
from lakehouse_airflow.worker import set_node_name

VARIABLE = "AIRFLOW__LAKEHOUSE__HOSTNAME"


@pytest.fixture(autouse=True)
def callable_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", "lakehouse_airflow.hostname.get_hostname")


def test_airflow_knows_a_host_by_its_inventory_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "worker1.inventory")
    assert get_hostname() == "worker1.inventory"


@pytest.mark.parametrize("value", [None, ""])
def test_without_one_the_system_has_a_name(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert get_hostname() == socket.gethostname()


def test_import_loads_nothing_else() -> None:
    code = (
        "import __future__, os, socket, sys; before = {*sys.modules}\n"
        "import lakehouse_airflow.hostname; print({*sys.modules} - before)"
    )
    assert ast.literal_eval(run(code)) == {"lakehouse_airflow", "lakehouse_airflow.hostname"}


# A worker as 'celery worker' makes it, with a broker in its own memory. Once ready it is heard and pinged
# through that broker; the report lists the names of heartbeat, reply and tasks.
WORKER = """
import json, os, signal, sys, threading
from celery import Celery
from celery.app import trace
from celery.signals import worker_ready
from lakehouse_airflow import preload, worker

worker.PATCHES, preload.SHARED_IMPORTS = (), ()
app = Celery(broker="memory://", backend="cache+memory://")

def ask():
    heard = []
    with app.connection_for_read() as connection:
        def receive(event):
            heard.append(event["hostname"])
            receiver.should_stop = True
        receiver = app.events.Receiver(connection, {"worker-heartbeat": receive})
        receiver.capture(wakeup=True, timeout=30)
    replies = app.control.ping(timeout=10, limit=1)
    names = [*heard, *replies[0], trace._localized[2]]
    with open(sys.argv[1], "w") as report:
        json.dump(names, report)
    os.kill(os.getpid(), signal.SIGTERM)

worker_ready.connect(lambda **_: threading.Thread(target=ask, daemon=True).start(), weak=False)
app.Worker(pool="solo", quiet=True).start()
"""


def run(code: str, *arguments: str | Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    ).stdout


def test_worker_is_known_by_its_inventory_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Heartbeats, remote control and tasks have it."""
    monkeypatch.setenv(VARIABLE, "worker1")
    run(WORKER, tmp_path / "report.json")
    names = json.loads((tmp_path / "report.json").read_text())
    assert names == ["celery@worker1"] * 3


def test_one_of_several_workers_of_a_host_is_known_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__LAKEHOUSE__WORKER", "worker1.gpu")
    instance = SimpleNamespace(hostname=default_nodename(None))
    set_node_name(instance)
    assert instance.hostname == "celery@worker1.gpu"


def test_worker_that_a_command_line_named_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "worker1")
    instance = SimpleNamespace(hostname="second@elsewhere")
    set_node_name(instance)
    assert instance.hostname == "second@elsewhere"
