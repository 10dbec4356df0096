"""The patch busy_slots, against Celery's own pool: two processes, one of them busy, and a reconnect."""
# ruff: noqa: SLF001 - the patch is of private functions

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from celery.concurrency.asynpool import SCHED_STRATEGY_FAIR, AsynPool
from kombu.asynchronous import Hub, set_event_loop
from lakehouse_airflow.patches import busy_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = 2.0


class Pool:
    """An AsynPool of two and the event loop a worker would run it in."""

    def __init__(self) -> None:
        self.hub = Hub()
        set_event_loop(self.hub)
        self.pool = AsynPool(2, sched_strategy=SCHED_STRATEGY_FAIR, threads=False)
        self.pool.register_with_event_loop(self.hub)
        self.loop = self.hub.create_loop()
        self.ended: dict[str, float] = {}
        self.accepted: dict[str, int] = {}

    def submit(self, name: str, seconds: float) -> None:
        self.pool.apply_async(
            time.sleep,
            (seconds,),
            callback=lambda _: self.ended.update({name: time.monotonic()}),
            accept_callback=lambda pid, _: self.accepted.update({name: pid}),
        )

    def run_until(self, condition: Callable[[], Any], limit: float = 10) -> None:
        deadline = time.monotonic() + limit
        self.hub.call_repeatedly(0.05, lambda: None)
        while not condition():
            assert time.monotonic() < deadline
            next(self.loop)

    def reconnect(self) -> None:
        # What the consumer does to the pool when the broker's connection broke and is back.
        self.pool.flush()
        self.hub.reset()
        self.loop = self.hub.create_loop()
        self.pool.register_with_event_loop(self.hub)

    def short_ones_beside_a_long_one(self) -> float:
        """Return how long two short tasks took that came after the reconnect."""
        self.submit("long", LONG)
        self.run_until(lambda: "long" in self.accepted)
        self.reconnect()
        start = time.monotonic()
        self.submit("first", 0)
        self.submit("second", 0)
        self.run_until(lambda: {"first", "second"} <= self.ended.keys())
        return max(self.ended["first"], self.ended["second"]) - start

    def stop(self) -> None:
        self.pool.terminate()
        self.pool.join()


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.stop()


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set to what it is, so that it is put back.
    monkeypatch.setattr(AsynPool, "flush", AsynPool.flush)
    busy_slots.apply()


def test_unpatched_a_task_goes_to_a_busy_slot(pool: Pool) -> None:
    # When this fails Celery has fixed it, and the patch can go.
    assert pool.short_ones_beside_a_long_one() > LONG / 2


@pytest.mark.usefixtures("patched")
def test_tasks_go_to_the_free_slot(pool: Pool) -> None:
    assert pool.short_ones_beside_a_long_one() < LONG / 2


@pytest.mark.usefixtures("patched")
def test_slot_is_free_again_when_its_task_is_done(pool: Pool) -> None:
    pool.short_ones_beside_a_long_one()
    assert len(pool.pool._busy_workers) == 1
    pool.run_until(lambda: "long" in pool.ended)
    assert not pool.pool._busy_workers
    pool.submit("one", 0.5)
    pool.submit("other", 0.5)
    pool.run_until(lambda: {"one", "other"} <= pool.ended.keys())
    assert pool.accepted["one"] != pool.accepted["other"]


@pytest.mark.usefixtures("patched")
def test_slot_that_died_is_not_busy(pool: Pool) -> None:
    pool.submit("long", 60)
    pool.run_until(lambda: "long" in pool.accepted)
    process = next(worker for worker in pool.pool._pool if worker.pid == pool.accepted["long"])
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    pool.reconnect()
    assert not pool.pool._busy_workers
    pool.submit("one", 0.5)
    pool.submit("other", 0.5)
    pool.run_until(lambda: {"one", "other"} <= pool.ended.keys())
    assert pool.accepted["one"] != pool.accepted["other"]
