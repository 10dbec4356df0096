"""What the watch over the workers says of heartbeats and queues, and when."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import lakehouse_fleet
import pytest
from lakehouse_fleet import Fleet, Worker

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 20.0


def worker(**given: Any) -> Worker:
    return Worker(queues=["default"], slots=2, seen=0.0, **given)


def heartbeat(**given: Any) -> dict[str, Any]:
    return {"type": "worker-heartbeat", "hostname": "celery@w", "active": 0, "processed": 0, **given}


def test_silence_is_a_problem_once_patience_is_over() -> None:
    silent = worker()
    assert silent.problem(20.0, PATIENCE) is None
    assert silent.problem(21.0, PATIENCE) == "no heartbeat for 20 s"
    silent.hear(heartbeat(), 21.0)
    assert silent.problem(21.0, PATIENCE) is None


def test_worker_that_said_goodbye_is_told_from_a_silent_one() -> None:
    gone = worker()
    gone.hear({"type": "worker-offline", "hostname": "celery@w"}, 5.0)
    assert gone.problem(10.0, PATIENCE) is None
    assert gone.problem(26.0, PATIENCE) == "stopped"


@pytest.mark.parametrize(
    ("active", "waiting", "problem"),
    [
        (1, 3, "took nothing for 20 s, though messages wait and slots are free"),
        (2, 3, None),
        (1, 0, None),
    ],
    ids=["a slot is free and messages wait", "no slot is free", "nothing waits"],
)
def test_starving_is_to_take_nothing_though_one_could(active: int, waiting: int, problem: str | None) -> None:
    hungry = worker()
    for now in (0.0, 10.0, 21.0):
        hungry.hear(heartbeat(active=active), now)
        hungry.look({"default": waiting, "other": 5}, now)
    assert hungry.problem(21.0, PATIENCE) == problem


def test_worker_that_takes_tasks_is_not_starving_however_full_its_queue() -> None:
    busy = worker()
    for now in range(0, 60, 10):
        busy.hear(heartbeat(active=1, processed=now), now)
        busy.look({"default": 100}, now)
    assert busy.problem(50.0, PATIENCE) is None


def test_without_a_broker_only_the_broker_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known of the workers stands, and once it is back they have time to be heard again."""
    clock = 100.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    fleet = Fleet({"gone": worker(), "w": worker()}, PATIENCE, problems={"gone": "stopped"})
    fleet.workers["w"].seen = 99.0
    fleet.lose_broker(ConnectionError("refused"))
    assert fleet.find(120.0) == {"gone": "stopped"}
    assert fleet.find(121.0) == {"gone": "stopped", "the broker": "does not answer: refused"}
    clock = 300.0
    fleet.find_broker()
    assert fleet.find(300.0) == {"gone": "no heartbeat for 20 s"}
    assert fleet.find(321.0).keys() == {"gone", "w"}


def test_changes_are_said_once_and_the_state_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lakehouse_fleet, "STATUS", tmp_path / "status.json")
    clock = 21.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    fleet = Fleet({"v": worker(), "w": worker()}, PATIENCE)
    fleet.hear(heartbeat(hostname="celery@v"))
    fleet.hear(heartbeat(hostname="celery@not-in-the-inventory"))
    fleet.report()
    fleet.report()
    assert capsys.readouterr().out == "<3>w: no heartbeat for 20 s\n"
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["problems"] == {"w": "no heartbeat for 20 s"}
    assert status["workers"]["v"] == {"active": 0, "slots": 2, "queues": ["default"], "problem": None}

    fleet.hear(heartbeat(type="worker-offline"))
    clock = 42.0
    fleet.hear(heartbeat(hostname="celery@v"))
    fleet.report()
    assert capsys.readouterr().out == "<3>w: stopped\n"

    fleet.hear(heartbeat())
    fleet.report()
    assert capsys.readouterr().out == "<5>w: well again\n"
    assert json.loads((tmp_path / "status.json").read_text())["problems"] == {}
