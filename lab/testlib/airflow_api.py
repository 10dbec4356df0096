"""Airflow, through its REST API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import requests

from testlib.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 20


@dataclass(frozen=True)
class TaskInstance:
    task_id: str
    map_index: int
    state: str | None
    try_number: int
    hostname: str
    queue: str
    end: datetime | None

    @classmethod
    def of(cls, answer: dict[str, Any]) -> TaskInstance:
        end = answer["end_date"]
        return cls(
            task_id=answer["task_id"],
            map_index=answer["map_index"],
            state=answer["state"],
            try_number=answer["try_number"],
            hostname=answer["hostname"] or "",
            queue=answer["queue"],
            end=datetime.fromisoformat(end) if end else None,
        )

    @property
    def outcome(self) -> tuple[str | None, int]:
        """Return the state and the number of tries: ("success", 1) is the aim."""
        return self.state, self.try_number


class Run:
    """One run of a DAG."""

    def __init__(self, airflow: Airflow, dag_id: str, run_id: str) -> None:
        self.airflow, self.dag_id, self.run_id = airflow, dag_id, run_id
        self.path = f"dags/{dag_id}/dagRuns/{run_id}"

    def tasks(self) -> list[TaskInstance]:
        answer = self.airflow.call("GET", f"{self.path}/taskInstances?limit=100")
        return [TaskInstance.of(instance) for instance in answer["task_instances"]]

    def task(self, task_id: str) -> TaskInstance:
        return next(task for task in self.tasks() if task.task_id == task_id)

    def wait_tasks(
        self, what: str, done: Callable[[list[TaskInstance]], object], timeout: float = 60
    ) -> list[TaskInstance]:
        return wait_for(f"{self.dag_id}: {what}", self.tasks, done, timeout=timeout)

    def wait(self, timeout: float = 120) -> list[TaskInstance]:
        """Wait until the run has succeeded or failed, and return its tasks."""
        wait_for(
            f"end of {self.dag_id}",
            lambda: str(self.airflow.call("GET", self.path)["state"]),
            lambda state: state in {"success", "failed"},
            timeout=timeout,
        )
        return self.tasks()

    def mark_failed(self) -> None:
        self.airflow.call("PATCH", self.path, {"state": "failed"})

    def log(self, task: TaskInstance) -> str:
        path = f"{self.path}/taskInstances/{task.task_id}/logs/{task.try_number}?map_index={task.map_index}"
        return "\n".join(str(line["event"]) for line in self.airflow.call("GET", path)["content"])


class Airflow:
    """A session of a user with the API server."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {self.token(username, password)}"

    def token(self, username: str, password: str) -> str:
        body = {"username": username, "password": password}
        answer = requests.post(f"{self.url}/auth/token", json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        answer = self._session.request(
            method, f"{self.url}/api/v2/{path}", json=body, headers=headers, timeout=TIMEOUT
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def get(self, path: str) -> requests.Response:
        """Return what is at a path of the server."""
        return self._session.get(f"{self.url}/{path}", timeout=TIMEOUT)

    def has_dag(self, dag_id: str) -> bool:
        answer = self._session.get(f"{self.url}/api/v2/dags/{dag_id}", timeout=TIMEOUT)
        return bool(answer.ok and not answer.json()["is_stale"])

    def wait_healthy(self) -> None:
        """Wait until API server, metadata database and scheduler are healthy."""

        def health() -> dict[str, Any]:
            try:
                return self.call("GET", "monitor/health")
            except (AssertionError, requests.RequestException) as error:
                return {"error": str(error)}

        wait_for(
            "Airflow healthy",
            health,
            lambda parts: all(
                parts.get(part, {}).get("status") == "healthy" for part in ("metadatabase", "scheduler")
            ),
        )

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        """Start a run once the DAG is known; conf is its configuration."""
        wait_for(f"DAG {dag_id} known", lambda: self.has_dag(dag_id), timeout=90)
        answer = self.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        return Run(self, dag_id, answer["dag_run_id"])
