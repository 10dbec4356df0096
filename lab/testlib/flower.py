"""Flower as its users see it."""

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
        """Give the names of the workers that Flower takes for alive."""
        return {name for name, alive in self.get("workers?status=true").items() if alive}

    def wait_online(self, *names: str) -> None:
        wanted = {f"celery@{name}" for name in names}
        wait_for(f"{wanted} in Flower", self.online, wanted.issubset)

    def workers(self) -> dict[str, dict[str, Any]]:
        """Give what each worker answers when asked now: its queues, its pool, its settings."""
        return self.get("workers?refresh=true")
