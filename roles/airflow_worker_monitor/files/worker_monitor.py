"""Monitor the workers that the inventory expects, by the heartbeats they send to the broker anyway.

Asks a worker only how many slots it has. Writes each change to the journal, the state of all to STATUS, and
beside that the same as metrics of Prometheus.
Also reports workers that run and are not in the inventory.
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.events.receiver import EventReceiver
from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Written by the role: the queues of each worker.
WORKERS = Path("/etc/airflow/worker-monitor.json")
# Written by playbooks/drain.yml: an empty file for each worker that is drained.
DRAINED = Path("/etc/airflow/drained-workers")
STATUS = Path("/run/airflow-worker-monitor/status.json")
# Beside STATUS, for the textfile collector of a node exporter.
METRICS = "airflow_workers.prom"
# Seconds: from one check of all workers to the next, and from one question for a worker's slots to the next.
CHECK_INTERVAL = 2.0
ASK_INTERVAL = 10.0
REPLY_TIMEOUT = 1.0
# Seconds for which a run of site.yml may have started a worker that it has not yet told this monitor of.
UNKNOWN_GRACE = 60.0
UNKNOWN = "takes tasks, and is not in the inventory"
# systemd's priorities of a line, for the journal.
ERROR, NOTICE = "<3>", "<5>"


@dataclass
class Worker:
    """A worker as its events describe it; times are of the monotonic clock, in seconds."""

    queues: list[str]
    seen: float
    slots: int | None = None
    asked: float = -math.inf
    event: str = ""
    active: int = 0
    processed: int = 0
    stalled_since: float | None = None

    def receive(self, event: Mapping[str, Any], now: float) -> None:
        """Take in an event of the worker."""
        self.seen, self.event = now, event["type"]
        if self.event == "worker-online":
            # It may have been started with another concurrency.
            self.slots, self.asked = None, -math.inf
        if event.get("processed", self.processed) != self.processed:
            self.stalled_since = None
        self.active = event.get("active", self.active)
        self.processed = event.get("processed", self.processed)

    def to_ask(self, now: float, timeout: float) -> bool:
        """Return whether the worker should be asked for its slots now."""
        # It announces itself before it receives questions, and sends a heartbeat after.
        answers = self.event == "worker-heartbeat" and now - self.seen <= timeout
        return self.slots is None and answers and now - self.asked >= ASK_INTERVAL

    def has_free_slot(self) -> bool:
        """Return whether a slot is surely free."""
        return self.active < (1 if self.slots is None else self.slots)

    def check_queues(self, waiting: Mapping[str, int], now: float) -> None:
        """Take in how many messages wait in each queue."""
        if not self.has_free_slot() or not any(waiting.get(queue) for queue in self.queues):
            self.stalled_since = None
        elif self.stalled_since is None:
            self.stalled_since = now

    def problem(self, now: float, timeout: float) -> str | None:
        """Return what has been wrong for longer than the timeout, in words that stay while it is."""
        if now - self.seen > timeout:
            return "stopped" if self.event == "worker-offline" else f"no heartbeat for {timeout:g} s"
        if self.stalled_since is not None and now - self.stalled_since > timeout:
            return f"stalled: took no message for {timeout:g} s while messages wait and slots are free"
        return None


@dataclass
class UnknownWorker:
    """A worker that the inventory does not have: when it was first and last heard."""

    first: float
    last: float


@dataclass
class Monitor:
    """All workers, and the problems that were found."""

    workers: dict[str, Worker]
    timeout: float
    unknown: dict[str, UnknownWorker] = field(default_factory=dict)
    drained: set[str] = field(default_factory=set)
    broker_lost: float | None = None
    broker_error: str = ""
    problems: dict[str, str] = field(default_factory=dict)
    # How many messages wait in each queue; nothing while that is unknown.
    waiting: dict[str, int] = field(default_factory=dict)

    def receive(self, event: Mapping[str, Any]) -> None:
        """Take in an event of any worker."""
        name, now = event["hostname"].removeprefix("celery@"), time.monotonic()
        if worker := self.workers.get(name):
            worker.receive(event, now)
        elif event["type"] == "worker-offline":
            self.unknown.pop(name, None)
        else:
            self.unknown.setdefault(name, UnknownWorker(now, now)).last = now

    def to_ask(self, now: float) -> list[str]:
        """Return the node names of the workers to ask for their slots, and count them as asked."""
        names = [name for name, worker in self.workers.items() if worker.to_ask(now, self.timeout)]
        for name in names:
            self.workers[name].asked = now
        return [f"celery@{name}" for name in names]

    def receive_stats(self, replies: Iterable[Mapping[str, Any]]) -> None:
        """Take in how many slots the workers say they have."""
        for node, stats in (item for reply in replies for item in reply.items()):
            if worker := self.workers.get(node.removeprefix("celery@")):
                worker.slots = stats.get("pool", {}).get("max-concurrency")

    def find_problems(self, now: float) -> dict[str, str]:
        """Return what is wrong: a sentence for each worker, and one for the broker."""
        if self.broker_lost is not None:
            # Nothing can be heard of the workers: what was known of them stands.
            found = {name: self.problems.get(name) for name in [*self.workers, *self.unknown]}
            if now - self.broker_lost > self.timeout:
                found["broker"] = f"does not answer: {self.broker_error}"
        else:
            self.unknown = {k: seen for k, seen in self.unknown.items() if now - seen.last <= self.timeout}
            found = {
                **{name: worker.problem(now, self.timeout) for name, worker in self.workers.items()},
                **{name: UNKNOWN for name, seen in self.unknown.items() if now - seen.first > UNKNOWN_GRACE},
                **dict.fromkeys(self.drained),
            }
        return {name: problem for name, problem in found.items() if problem}

    def lose_broker(self, error: Exception) -> None:
        """Note that the broker does not answer."""
        self.broker_lost = self.broker_lost or time.monotonic()
        self.broker_error = str(error)
        self.waiting = {}

    def find_broker(self) -> None:
        """Restart the timeouts of the workers that were healthy before."""
        if self.broker_lost is not None:
            self.broker_lost = None
            for name, worker in self.workers.items():
                # Meanwhile it may have been started with another concurrency, unheard.
                worker.slots = None
                if name not in self.problems:
                    worker.seen, worker.stalled_since = time.monotonic(), None

    def report(self) -> None:
        """Write the state of all workers to STATUS, and each change of it to the journal."""
        self.drained = {path.name for path in DRAINED.iterdir()} if DRAINED.is_dir() else set()
        found = self.find_problems(time.monotonic())
        for name, problem in sorted(found.items()):
            if problem != self.problems.get(name):
                print(f"{ERROR}{name}: {problem}", flush=True)
        for name in sorted(self.problems.keys() - found.keys()):
            state = (
                "gone"
                if self.problems[name] == UNKNOWN
                else "drained"
                if name in self.drained
                else "healthy again"
            )
            print(f"{NOTICE}{name}: {state}", flush=True)
        self.problems = found
        workers = {
            name: {
                "active": worker.active,
                "slots": worker.slots,
                "queues": worker.queues,
                "drained": name in self.drained,
                "problem": found.get(name),
            }
            for name, worker in self.workers.items()
        }
        replace(STATUS, json.dumps({"problems": found, "workers": workers, "queues": self.waiting}))
        # For the user of the node exporter.
        replace(STATUS.with_name(METRICS), "".join(self.metrics()), mode=0o644)

    def metrics(self) -> Iterator[str]:
        """Return the lines of the metrics, as of the last report."""
        workers = self.workers.items()
        yield from metric(
            "airflow_worker_healthy",
            "gauge",
            "Whether the worker monitor finds nothing wrong with the worker",
            (("worker", name, int(name not in self.problems)) for name, _worker in workers),
        )
        yield from metric(
            "airflow_worker_active_tasks",
            "gauge",
            "Tasks that the worker runs, by its last heartbeat",
            (("worker", name, worker.active) for name, worker in workers),
        )
        yield from metric(
            "airflow_worker_slots",
            "gauge",
            "Tasks that the worker can run at once, once it has said how many",
            (("worker", name, worker.slots) for name, worker in workers if worker.slots is not None),
        )
        yield from metric(
            "airflow_worker_tasks_total",
            "counter",
            "Tasks that the worker has taken since its start",
            (("worker", name, worker.processed) for name, worker in workers),
        )
        yield from metric(
            "airflow_queue_messages",
            "gauge",
            "Messages that wait in a queue of the workers",
            (("queue", name, count) for name, count in self.waiting.items()),
        )
        broker = int("broker" not in self.problems)
        yield from metric("airflow_broker_up", "gauge", "Whether the broker answers", [("", "", broker)])


def metric(name: str, kind: str, description: str, samples: Iterable[tuple[str, str, int]]) -> Iterator[str]:
    """Return the lines of a metric of Prometheus.

    :param samples: the name of the label, its value, and that of the metric; without a name there is no label
    """
    yield f"# HELP {name} {description}.\n# TYPE {name} {kind}\n"
    for label, value, number in samples:
        escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        yield f'{name}{{{label}="{escaped}"}} {number}\n' if label else f"{name} {number}\n"


def replace(path: Path, text: str, mode: int = 0o640) -> None:
    """Write a file as a whole."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)


class Listener(EventReceiver):
    """Receives the workers' events, and checks queues and workers in between."""

    # The first error ends it: the status is to be written also while there is no broker.
    connect_max_retries = 0

    def __init__(self, monitor: Monitor, app: Celery, connection: Any) -> None:
        # Named, so that the broker keeps one binding of it and not one a start.
        super().__init__(
            connection,
            {"*": monitor.receive},
            routing_key="worker.#",
            node_id="airflow-worker-monitor",
            app=app,
        )
        self.monitor = monitor
        self.queues = sorted({queue for worker in monitor.workers.values() for queue in worker.queues})
        self.due = 0.0

    def on_iteration(self) -> None:
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + CHECK_INTERVAL
        with self.channel.client.pipeline(transaction=False) as pipeline:
            for queue in self.queues:
                pipeline.llen(queue)
            waiting = dict(zip(self.queues, pipeline.execute(), strict=True))
        self.monitor.find_broker()
        self.monitor.waiting = waiting
        if nodes := self.monitor.to_ask(now):
            self.monitor.receive_stats(ask_stats(self.app, nodes))
        for worker in self.monitor.workers.values():
            worker.check_queues(waiting, now)
        self.monitor.report()


def ask_stats(app: Celery, nodes: list[str]) -> list[dict[str, Any]]:
    """Return the replies of workers to Celery's remote control command `stats`; fail without a broker."""
    # With a limit the call returns with the last reply, not after the whole time.
    replies: list[dict[str, Any]] = app.control.broadcast(
        "stats", reply=True, destination=nodes, timeout=REPLY_TIMEOUT, limit=len(nodes)
    )
    return replies


def create_app(broker_url: str) -> Celery:
    app = Celery(broker=broker_url)
    app.conf.broker_transport_options = {
        # Without it, any consumer looks for messages to send again, which the user of the monitor may not.
        "ack_emulation": False,
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
    }
    return app


def main() -> None:
    now = time.monotonic()
    expected = json.loads(WORKERS.read_text(encoding="utf-8"))
    monitor = Monitor(
        {name: Worker(queues=queues, seen=now) for name, queues in expected.items()},
        float(os.environ["AIRFLOW__WORKER_MONITOR__TIMEOUT"]),
    )
    app = create_app(os.environ["AIRFLOW__CELERY__BROKER_URL"])
    while True:
        with app.connection_for_read() as connection:
            try:
                Listener(monitor, app, connection).capture(wakeup=False)
            except (OperationalError, *connection.connection_errors, *connection.channel_errors) as error:
                monitor.lose_broker(error)
                monitor.report()
                time.sleep(CHECK_INTERVAL)


if __name__ == "__main__":
    main()
