"""The middleware of the API server: a limit for failed logins, no description without a login, headers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import HTTPException
from lakehouse_airflow import api_server, plugin
from lakehouse_airflow.api_server import FailureLimit, Guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POLICY = "frame-ancestors 'self'"


def test_failed_tries_are_limited_in_a_time_that_moves() -> None:
    limit = FailureLimit("2/minute")
    assert [limit.begin("a", now) for now in (0, 30, 40, 59, 60, 61, 90)] == [0, 0, 20, 1, 0, 29, 0]


def test_each_client_has_its_own_limit() -> None:
    limit = FailureLimit("1/minute")
    assert [limit.begin(client, 1) for client in "aba"] == [0, 0, 60]


def test_success_counts_for_nothing() -> None:
    """Neither against the client nor for it: a login of one's own does not allow more tries of others'."""
    limit = FailureLimit("2/minute")
    assert limit.begin("a", 1) == 0
    for now in (2, 3, 4):
        assert limit.begin("a", now) == 0
        limit.succeed("a", now)
    assert limit.begin("a", 5) == 0
    assert limit.begin("a", 6) == 55


def test_what_it_remembers_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_server, "MAX_CLIENTS", 3)
    limit = FailureLimit("1/hour")
    assert [limit.begin(client, 1) for client in "abcde"] == [0] * 5
    assert limit.tries.keys() == {*"cde"}


class Server:
    """An API server of one client, which answers each request with the same status."""

    def __init__(self, rate: str = "3/minute", status: int = 200, policy: str = POLICY) -> None:
        self.status = status
        self.guard = Guard(self.serve, rate, policy)
        self.served = 0

    async def serve(self, _scope: Any, _receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        self.served += 1
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(
        self, method: str, path: str, client: str = "192.0.2.1", **scope: Any
    ) -> tuple[int, dict[str, str]]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        request = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [],
            "client": (client, 1),
            **scope,
        }
        asyncio.run(self.guard(request, None, send))  # type: ignore[arg-type]
        return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize("path", ["/auth/token", "/auth/token/cli", "/auth/token/", "/airflow/auth/token"])
def test_fourth_failed_login_is_refused(path: str) -> None:
    server = Server(status=401)
    root = {"root_path": "/airflow"} if "airflow" in path else {}
    assert [server.ask("POST", path, **root)[0] for _try in range(5)] == [401, 401, 401, 429, 429]
    assert server.served == 3
    assert 0 < int(server.ask("POST", path, **root)[1]["retry-after"]) <= 60
    assert server.ask("POST", path, client="192.0.2.2", **root)[0] == 401


def test_logins_that_succeed_are_not_limited() -> None:
    server = Server(status=201)
    assert {server.ask("POST", "/auth/token")[0] for _try in range(20)} == {201}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/auth/token"), ("POST", "/api/v2/dags"), ("POST", "/")]
)
def test_other_requests_are_not_limited(method: str, path: str) -> None:
    server = Server(status=401)
    assert {server.ask(method, path)[0] for _try in range(20)} == {401}


def test_without_a_rate_there_is_no_limit() -> None:
    server = Server(rate="", status=401)
    assert {server.ask("POST", "/auth/token")[0] for _try in range(20)} == {401}


OPEN_PATHS = ["/", "/api/v2/monitor/health", "/api/v2/dags/docs", "/dags/openapi.json", "/execution/health"]
CLOSED_PATHS = [
    "/docs",
    "/redoc",
    "/openapi.json",
    "/execution/docs",
    "/auth/openapi.json",
    "/api/v2/version",
]


@pytest.mark.parametrize("path", CLOSED_PATHS)
def test_descriptions_are_for_those_who_are_logged_in(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(token: str) -> None:
        if token != "valid":  # noqa: S105 - not a password
            raise HTTPException(401)

    monkeypatch.setattr(api_server, "resolve_user_from_token", resolve)
    server = Server()

    def status(*headers: tuple[bytes, bytes]) -> int:
        return server.ask("GET", path, headers=list(headers))[0]

    assert (
        status()
        == status((b"authorization", b"Bearer other"))
        == status((b"authorization", b"Basic valid"))
        == 401
    )
    assert server.served == 0
    assert status((b"authorization", b"Bearer valid")) == status((b"cookie", b"_token=valid")) == 200


@pytest.mark.parametrize("path", OPEN_PATHS)
def test_other_paths_are_left_to_airflow(path: str) -> None:
    assert Server().ask("GET", path)[0] == 200


def test_each_answer_has_the_headers() -> None:
    server = Server(rate="1/minute", status=401)
    for status in (401, 429):
        answered, headers = server.ask("POST", "/auth/token")
        assert answered == status
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers
    assert "content-security-policy" not in Server(policy="").ask("GET", "/")[1]


def test_with_tls_browsers_are_told_to_come_back_with_it() -> None:
    environment = {
        "AIRFLOW__LAKEHOUSE__TOKEN_RATE_LIMIT": "",
        "AIRFLOW__LAKEHOUSE__STRICT_TRANSPORT_SECURITY": "max-age=5",
    }
    server = Server()
    server.guard = Guard(server.serve, **plugin.middlewares(environment)[0]["kwargs"])
    assert server.ask("GET", "/")[1]["strict-transport-security"] == "max-age=5"


def test_plugin_is_for_the_api_server() -> None:
    assert plugin.middlewares({}) == []
    (found,) = plugin.middlewares({"AIRFLOW__LAKEHOUSE__TOKEN_RATE_LIMIT": ""})
    assert (found["middleware"], found["kwargs"]) == (Guard, {"rate": "", "policy": "", "transport": ""})


def test_other_processes_import_next_to_nothing() -> None:
    code = (
        "import json, sys; import airflow.sdk.plugins_manager; before = {*sys.modules}\n"
        "import lakehouse_airflow.plugin; print(json.dumps(sorted({*sys.modules} - before)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == ["lakehouse_airflow", "lakehouse_airflow.plugin"]
