"""Flower, through its REST API."""

from __future__ import annotations

from typing import Any

import requests

from testlib.wait import wait_for


class Flower:
    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.auth = (username, password)

    def get(self, path: str) -> dict[str, Any]:
        answer = self._session.get(f"{self.url}/api/{path}", timeout=20)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def online(self) -> set[str]:
        """Return the names of the workers that Flower shows as online."""
        return {name for name, alive in self.get("workers?status=true").items() if alive}

    def wait_online(self, *names: str) -> None:
        wanted = {f"celery@{name}" for name in names}
        wait_for(f"{wanted} online in Flower", self.online, wanted.issubset)

    def workers(self) -> dict[str, dict[str, Any]]:
        """Return what each worker answers to an inspection: its queues, its pool, its settings."""
        return self.get("workers?refresh=true")

    def worker(self, name: str) -> dict[str, Any]:
        """Return what a worker answers; Flower leaves out those that have not answered within a second."""
        node = f"celery@{name}"
        return wait_for(f"answer of {node} to Flower", self.workers, lambda found: node in found)[node]

    def queues(self, name: str) -> set[str]:
        """Return the names of the queues that a worker reads."""
        return {queue["name"] for queue in self.worker(name)["active_queues"]}
