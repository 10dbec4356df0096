"""Watches the workers that the inventory expects, through the heartbeats they send to the broker anyway.

Asks the workers nothing. Writes each change to the journal, and the state of the fleet to STATUS.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.events.receiver import EventReceiver
from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS = Path("/run/airflow-fleet/status.json")
INTERVAL = 2.0
# systemd's mark of a line's importance, for the journal.
ERROR, NOTICE = "<3>", "<5>"


@dataclass
class Worker:
    """A worker as its heartbeats tell of it; times are of the monotonic clock, in seconds."""

    queues: list[str]
    slots: int
    seen: float
    stopped: bool = False
    active: int = 0
    processed: int = 0
    starving_since: float | None = None

    def hear(self, event: Mapping[str, Any], now: float) -> None:
        """Take in an event of the worker."""
        self.seen, self.stopped = now, event["type"] == "worker-offline"
        if event.get("processed", self.processed) != self.processed:
            self.starving_since = None
        self.active = event.get("active", self.active)
        self.processed = event.get("processed", self.processed)

    def look(self, waiting: Mapping[str, int], now: float) -> None:
        """Take in how many messages wait in each queue."""
        if self.active >= self.slots or not any(waiting.get(queue) for queue in self.queues):
            self.starving_since = None
        elif self.starving_since is None:
            self.starving_since = now

    def problem(self, now: float, patience: float) -> str | None:
        """Say what is wrong for longer than ``patience`` seconds, in words that stay while it does."""
        if now - self.seen > patience:
            return "stopped" if self.stopped else f"no heartbeat for {patience:g} s"
        if self.starving_since is not None and now - self.starving_since > patience:
            return f"took nothing for {patience:g} s, though messages wait and slots are free"
        return None


@dataclass
class Fleet:
    """All workers, and what is known to be wrong."""

    workers: dict[str, Worker]
    patience: float
    broker_lost: float | None = None
    broker_error: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    def hear(self, event: Mapping[str, Any]) -> None:
        if worker := self.workers.get(event["hostname"].removeprefix("celery@")):
            worker.hear(event, time.monotonic())

    def find(self, now: float) -> dict[str, str]:
        """Give what is wrong: a sentence for each worker, and one for the broker."""
        if self.broker_lost is not None:
            # Nothing can be heard of the workers: what was known of them stands.
            found = {name: self.problems.get(name) for name in self.workers}
            if now - self.broker_lost > self.patience:
                found["the broker"] = f"does not answer: {self.broker_error}"
        else:
            found = {name: worker.problem(now, self.patience) for name, worker in self.workers.items()}
        return {name: problem for name, problem in found.items() if problem}

    def lose_broker(self, error: Exception) -> None:
        self.broker_lost = self.broker_lost or time.monotonic()
        self.broker_error = str(error)

    def find_broker(self) -> None:
        """Give the workers as long to be heard again as at the start, unless they were not well before."""
        if self.broker_lost is not None:
            self.broker_lost = None
            for name, worker in self.workers.items():
                if name not in self.problems:
                    worker.seen, worker.starving_since = time.monotonic(), None

    def report(self) -> None:
        """Write down the state of the fleet, and each change of it to the journal."""
        found = self.find(time.monotonic())
        for name, problem in sorted(found.items()):
            if problem != self.problems.get(name):
                print(f"{ERROR}{name}: {problem}", flush=True)
        for name in sorted(self.problems.keys() - found.keys()):
            print(f"{NOTICE}{name}: well again", flush=True)
        self.problems = found
        workers = {
            name: {
                "active": worker.active,
                "slots": worker.slots,
                "queues": worker.queues,
                "problem": found.get(name),
            }
            for name, worker in self.workers.items()
        }
        beside = STATUS.with_suffix(".new")
        beside.write_text(json.dumps({"problems": found, "workers": workers}), encoding="utf-8")
        beside.replace(STATUS)


class Listener(EventReceiver):
    """Receives the workers' events, and looks at queues and fleet in between."""

    # The first error ends it: the fleet's state is to be written also while there is no broker.
    connect_max_retries = 0

    def __init__(self, fleet: Fleet, app: Celery, connection: Any) -> None:
        # Named, so that the broker keeps one binding of it and not one a start.
        super().__init__(
            connection, {"*": fleet.hear}, routing_key="worker.#", node_id="lakehouse-fleet", app=app
        )
        self.fleet = fleet
        self.queues = sorted({queue for worker in fleet.workers.values() for queue in worker.queues})
        self.due = 0.0

    def on_iteration(self) -> None:
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + INTERVAL
        with self.channel.client.pipeline(transaction=False) as pipeline:
            for queue in self.queues:
                pipeline.llen(queue)
            waiting = dict(zip(self.queues, pipeline.execute(), strict=True))
        self.fleet.find_broker()
        for worker in self.fleet.workers.values():
            worker.look(waiting, now)
        self.fleet.report()


def main() -> None:
    now = time.monotonic()
    expected = json.loads(os.environ["AIRFLOW__LAKEHOUSE__WORKERS"])
    fleet = Fleet(
        {name: Worker(**worker, seen=now) for name, worker in expected.items()},
        float(os.environ["AIRFLOW__LAKEHOUSE__SILENT_AFTER"]),
    )
    app = Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"])
    app.conf.broker_transport_options = {"socket_timeout": 5, "socket_connect_timeout": 5}
    while True:
        with app.connection_for_read() as connection:
            try:
                Listener(fleet, app, connection).capture(wakeup=False)
            except (OperationalError, *connection.connection_errors, *connection.channel_errors) as error:
                fleet.lose_broker(error)
                fleet.report()
                time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
