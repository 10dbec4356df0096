"""A steady stream of tasks, short ones and long ones, and for how long users notice something meanwhile."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import requests

from testlib.airflow_api import Run
from testlib.attempts import assert_survived

if TYPE_CHECKING:
    from types import TracebackType

    from testlib.cluster import Cluster

INTERVAL = 3.0  # seconds from one short task to the next
LONG_INTERVAL = 60.0
TIMEOUT = 5


class Stream:
    """Triggers runs for as long as the block takes; `assert_none_lost` then waits for them and judges.

    Like the client of a task it asks one API server after the other, so the API is away when none answers.

    :param long: how many seconds each long task takes
    """

    def __init__(self, cluster: Cluster, long: float) -> None:
        self.cluster, self.long = cluster, long
        self.servers = [cluster.airflow(host) for host in cluster.hosts("webservers")]
        self.runs: list[Run] = []
        self.answered: list[float] = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.trigger_all), threading.Thread(target=self.ask_all)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def trigger_all(self) -> None:
        last_long = 0.0
        while not self.stopping.wait(INTERVAL):
            self.trigger("lab_one", [1])
            if time.monotonic() > last_long + LONG_INTERVAL:
                last_long = time.monotonic()
                self.trigger("lab_two", [self.long, self.long])

    def trigger(self, dag_id: str, seconds: list[float]) -> None:
        """Trigger a run by the first server that answers, once: the name of the run is ours."""
        run_id = f"stream-{len(self.runs)}-{time.time():.3f}"
        body: dict[str, Any] = {"dag_run_id": run_id, "logical_date": None, "conf": {"seconds": seconds}}
        while True:
            for server in self.servers:
                try:
                    server.call("POST", f"dags/{dag_id}/dagRuns", body)
                except requests.RequestException:
                    continue
                except AssertionError as error:
                    # An answer that was lost on its way: the run is there.
                    if "409" not in str(error):
                        continue
                self.runs.append(Run(server, dag_id, run_id))
                return
            if self.stopping.wait(0.5):
                return

    def ask_all(self) -> None:
        while not self.stopping.wait(0.1):
            for server in self.servers:
                try:
                    requests.get(f"{server.url}/api/v2/monitor/health", timeout=TIMEOUT).raise_for_status()
                except requests.RequestException:
                    continue
                self.answered.append(time.time())
                break

    def api_away(self) -> float:
        """Return the longest time between two answers of the API."""
        return max(second - first for first, second in pairwise(self.answered))

    def assert_none_lost(self) -> float:
        """Assert that each task ran once and succeeded; return the longest time in which no task began."""
        begins = []
        for run in self.runs:
            run.airflow = self.servers[0]
            run.wait(timeout=300)
            found = assert_survived(self.cluster, run)
            begins += [attempt.begin for tries in found.values() for attempt in tries]
        return max(second - first for first, second in pairwise(sorted(begins)))
