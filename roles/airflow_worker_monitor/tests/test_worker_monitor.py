"""What the worker monitor reports of heartbeats, slots and queues, and when."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import worker_monitor
from celery.contrib.testing.worker import start_worker
from kombu.exceptions import OperationalError
from worker_monitor import ASK_INTERVAL, UNKNOWN, UNKNOWN_GRACE, Monitor, Worker, ask_stats, create_app

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 20.0
STALLED = "stalled: took no message for 20 s while messages wait and slots are free"


def worker(**given: Any) -> Worker:
    standard: dict[str, Any] = {"queues": ["default"], "slots": 2, "seen": 0.0}
    return Worker(**standard | given)


def event(name: str = "worker-heartbeat", **given: Any) -> dict[str, Any]:
    return {"type": name, "hostname": "celery@w", "active": 0, "processed": 0, **given}


def stats(name: str, slots: int) -> dict[str, Any]:
    return {f"celery@{name}": {"pool": {"max-concurrency": slots}}}


class Clock:
    now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


def test_silence_is_a_problem_once_the_timeout_is_over() -> None:
    silent = worker()
    assert silent.problem(20.0, TIMEOUT) is None
    assert silent.problem(21.0, TIMEOUT) == "no heartbeat for 20 s"
    silent.receive(event(), 21.0)
    assert silent.problem(21.0, TIMEOUT) is None


def test_stopped_worker_is_told_from_a_silent_one() -> None:
    stopped = worker()
    stopped.receive(event("worker-offline"), 5.0)
    assert stopped.problem(10.0, TIMEOUT) is None
    assert stopped.problem(26.0, TIMEOUT) == "stopped"


@pytest.mark.parametrize(
    ("slots", "active", "waiting", "problem"),
    [
        (2, 1, 3, STALLED),
        (2, 2, 3, None),
        (2, 1, 0, None),
        (None, 0, 3, STALLED),
        (None, 1, 3, None),
    ],
    ids=[
        "a slot is free and messages wait",
        "no slot is free",
        "nothing waits",
        "slots are unknown and one must be free",
        "slots are unknown and all may be busy",
    ],
)
def test_worker_is_stalled_that_takes_no_message_though_it_could(
    slots: int | None, active: int, waiting: int, problem: str | None
) -> None:
    stalled = worker(slots=slots)
    for now in (0.0, 10.0, 21.0):
        stalled.receive(event(active=active), now)
        stalled.check_queues({"default": waiting, "other": 5}, now)
    assert stalled.problem(21.0, TIMEOUT) == problem


def test_worker_that_takes_messages_is_not_stalled_however_full_its_queue() -> None:
    busy = worker()
    for now in range(0, 60, 10):
        busy.receive(event(active=1, processed=now), now)
        busy.check_queues({"default": 100}, now)
    assert busy.problem(50.0, TIMEOUT) is None


def test_workers_are_asked_for_their_slots_when_first_heard(clock: Clock) -> None:
    """All in one question; who does not reply is asked again after a while."""
    monitor = Monitor({name: worker(slots=None) for name in ("v", "w", "silent")}, TIMEOUT)
    assert monitor.to_ask(clock.now) == []
    for name in ("v", "w", "not-in-the-inventory"):
        monitor.receive(event(hostname=f"celery@{name}"))
    assert monitor.to_ask(clock.now) == ["celery@v", "celery@w"]
    replies = [stats("w", 4), {"celery@v": {"error": "broken"}}, stats("not-in-the-inventory", 1)]
    monitor.receive_stats(replies)
    assert [worker.slots for worker in monitor.workers.values()] == [None, 4, None]
    clock.now = ASK_INTERVAL - 1
    assert monitor.to_ask(clock.now) == []
    clock.now = ASK_INTERVAL
    assert monitor.to_ask(clock.now) == ["celery@v"]


def test_worker_that_is_not_heard_is_not_asked(clock: Clock) -> None:
    monitor = Monitor({"w": worker(slots=None)}, TIMEOUT)
    monitor.receive(event())
    assert monitor.to_ask(TIMEOUT + 1) == []
    monitor.receive(event("worker-offline"))
    assert monitor.to_ask(clock.now) == []


def test_worker_that_comes_online_is_asked_anew(clock: Clock) -> None:
    """It receives questions only once it sends heartbeats."""
    monitor = Monitor({"w": worker(slots=None)}, TIMEOUT)
    monitor.receive(event())
    assert monitor.to_ask(clock.now) == ["celery@w"]
    monitor.receive_stats([stats("w", 4)])
    monitor.receive(event("worker-online"))
    assert monitor.workers["w"].slots is None
    assert monitor.to_ask(clock.now) == []
    monitor.receive(event())
    assert monitor.to_ask(clock.now) == ["celery@w"]


def test_a_real_worker_tells_its_slots() -> None:
    app = create_app("memory://")
    app.conf.result_backend = "cache+memory://"
    with start_worker(app, perform_ping_check=False, hostname="celery@w"):
        # On a busy machine it does not listen yet.
        replies = next(filter(None, (ask_stats(app, ["celery@w"]) for _try in range(20))))
    monitor = Monitor({"w": worker(slots=None)}, TIMEOUT)
    monitor.receive_stats(replies)
    assert monitor.workers["w"].slots == 1


def test_a_question_fails_without_a_broker() -> None:
    """In time, and with an error by which the monitor knows that the broker is lost."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(OperationalError):
        ask_stats(create_app(f"redis://127.0.0.1:{port}/0"), ["celery@w"])
    assert time.monotonic() - start < 10


def test_without_a_broker_only_the_broker_is_a_problem(clock: Clock) -> None:
    """What was known of the workers stands, and once it is back they have time to be heard again."""
    clock.now = 100.0
    monitor = Monitor({"gone": worker(), "w": worker()}, TIMEOUT, problems={"gone": "stopped"})
    monitor.workers["w"].seen = 99.0
    monitor.lose_broker(ConnectionError("refused"))
    assert monitor.find_problems(120.0) == {"gone": "stopped"}
    assert monitor.find_problems(121.0) == {"gone": "stopped", "broker": "does not answer: refused"}
    clock.now = 300.0
    monitor.find_broker()
    assert monitor.workers["w"].slots is None
    assert monitor.find_problems(300.0) == {"gone": "no heartbeat for 20 s"}
    assert monitor.find_problems(321.0).keys() == {"gone", "w"}


def test_changes_are_reported_once_and_the_status_is_written(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = tmp_path / "status.json"
    drained = tmp_path / "drained"
    monkeypatch.setattr(worker_monitor, "STATUS", status)
    monkeypatch.setattr(worker_monitor, "DRAINED", drained)
    clock.now = 21.0
    monitor = Monitor({"v": worker(slots=None), "w": worker()}, TIMEOUT)
    monitor.receive(event(hostname="celery@v"))
    monitor.report()
    monitor.report()
    assert capsys.readouterr().out == "<3>w: no heartbeat for 20 s\n"
    assert json.loads(status.read_text()) == {
        "problems": {"w": "no heartbeat for 20 s"},
        "workers": {
            "v": {"active": 0, "slots": None, "queues": ["default"], "drained": False, "problem": None},
            "w": {
                "active": 0,
                "slots": 2,
                "queues": ["default"],
                "drained": False,
                "problem": "no heartbeat for 20 s",
            },
        },
        "queues": {},
    }

    monitor.receive(event("worker-offline"))
    clock.now = 42.0
    monitor.receive(event(hostname="celery@v"))
    monitor.report()
    assert capsys.readouterr().out == "<3>w: stopped\n"

    monitor.receive(event())
    monitor.report()
    assert capsys.readouterr().out == "<5>w: healthy again\n"
    assert json.loads(status.read_text())["problems"] == {}

    monitor.receive(event("worker-offline"))
    clock.now = 63.0
    monitor.receive(event(hostname="celery@v"))
    monitor.report()
    assert capsys.readouterr().out == "<3>w: stopped\n"
    drained.mkdir()
    (drained / "w").touch()
    monitor.report()
    assert capsys.readouterr().out == "<5>w: drained\n"
    assert json.loads(status.read_text())["workers"]["w"]["drained"]


def test_a_worker_that_is_not_in_the_inventory_is_reported_after_a_while(clock: Clock) -> None:
    monitor = Monitor({"w": worker(seen=1000.0)}, TIMEOUT)
    while clock.now <= UNKNOWN_GRACE:
        assert monitor.find_problems(clock.now) == {}
        monitor.receive(event(hostname="celery@old"))
        clock.now += TIMEOUT
    assert monitor.find_problems(clock.now) == {"old": UNKNOWN}
    monitor.receive(event("worker-offline", hostname="celery@old"))
    assert monitor.find_problems(clock.now) == {}


def test_an_unknown_worker_that_is_silent_is_gone(clock: Clock) -> None:
    monitor = Monitor({}, TIMEOUT)
    for clock.now in (0.0, UNKNOWN_GRACE + 1):
        monitor.receive(event(hostname="celery@old"))
    assert monitor.find_problems(clock.now) == {"old": UNKNOWN}
    assert monitor.find_problems(clock.now + TIMEOUT + 1) == {}


def test_a_drained_worker_is_no_problem() -> None:
    monitor = Monitor({"w": worker()}, TIMEOUT, drained={"w"})
    assert monitor.find_problems(TIMEOUT + 1) == {}
    monitor.drained.clear()
    assert monitor.find_problems(TIMEOUT + 1).keys() == {"w"}


def test_the_state_is_written_as_metrics(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(worker_monitor, "STATUS", tmp_path / "status.json")
    clock.now = 21.0
    monitor = Monitor({"v": worker(slots=None), "w": worker()}, TIMEOUT, waiting={'a "queue"\\\n': 3})
    monitor.receive(event(hostname="celery@v", active=1, processed=7))

    def samples() -> set[str]:
        monitor.report()
        text = (tmp_path / "airflow_workers.prom").read_text()
        assert text.endswith("\n")
        return {line for line in text.splitlines() if not line.startswith("#")}

    workers = {
        'airflow_worker_healthy{worker="v"} 1',
        'airflow_worker_healthy{worker="w"} 0',
        'airflow_worker_active_tasks{worker="v"} 1',
        'airflow_worker_active_tasks{worker="w"} 0',
        'airflow_worker_slots{worker="w"} 2',
        'airflow_worker_tasks_total{worker="v"} 7',
        'airflow_worker_tasks_total{worker="w"} 0',
    }
    assert samples() == {
        *workers,
        r'airflow_queue_messages{queue="a \"queue\"\\\n"} 3',
        "airflow_broker_up 1",
    }
    assert (tmp_path / "airflow_workers.prom").stat().st_mode & 0o777 == 0o644
    monitor.lose_broker(ConnectionError("refused"))
    clock.now = 42.0
    assert samples() == {*workers, "airflow_broker_up 0"}
