"""Middleware of the API server: what Airflow leaves to a proxy, for a server that may have none.

- Passwords cannot be tried at will: FAB limits its login form, and nothing limits `POST /auth/token`.
- The description of the API, and its version, are for those who are logged in.
- Answers tell browsers what not to do with them.
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.core_api.security import resolve_user_from_token
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

PERIODS = {"second": 1, "minute": 60, "hour": 3600}
# Beyond this many clients, those that have not tried for longest are forgotten.
MAX_CLIENTS = 10_000

TOKEN_PATHS = ("/auth/token", "/auth/token/cli")
DESCRIPTION_PATHS = re.compile(
    r"(/execution|/auth)?/(changelog|docs|docs/oauth2-redirect|redoc|openapi\.json)|/api/v2/version"
)


class FailureLimit:
    """Counts the tries of each client that have failed or not ended.

    :param rate: how many may be in which time, as in ``10/minute``
    """

    def __init__(self, rate: str) -> None:
        amount, period = rate.split("/")
        self.amount, self.seconds = int(amount), PERIODS[period]
        self.tries: dict[str, list[float]] = {}

    def begin(self, client: str, now: float) -> float:
        """Count a try and return 0, or return the seconds until the client may try again."""
        recent = [moment for moment in self.tries.pop(client, ()) if moment > now - self.seconds]
        self.tries[client] = recent
        if len(recent) >= self.amount:
            return recent[0] + self.seconds - now
        recent.append(now)
        if len(self.tries) > MAX_CLIENTS:
            del self.tries[next(iter(self.tries))]
        return 0

    def succeed(self, client: str, moment: float) -> None:
        """Count the try of that moment no longer."""
        if moment in self.tries.get(client, ()):
            self.tries[client].remove(moment)


class Guard:
    """The middleware.

    :param rate: of failed tries of `POST /auth/token` from one address; without one there is no limit
    :param policy: the Content-Security-Policy of all answers; without one they have none
    :param transport: their Strict-Transport-Security, likewise
    """

    def __init__(self, app: App, rate: str, policy: str, transport: str = "") -> None:
        self.app = app
        self.limit = FailureLimit(rate) if rate else None
        headers = {
            "content-security-policy": policy,
            "referrer-policy": "same-origin",
            "strict-transport-security": transport,
            "x-content-type-options": "nosniff",
        }
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items() if value]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _value in message["headers"]}
                added = [(name, value) for name, value in self.headers if name not in present]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        path = scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/")
        if self.limit and scope["method"] == "POST" and path in TOKEN_PATHS:
            await self.limit_tries(self.limit, scope, receive, send_with_headers)
        elif DESCRIPTION_PATHS.fullmatch(path) and not await is_logged_in(Request(scope)):
            refusal = JSONResponse({"detail": "Not authenticated"}, 401)
            await refusal(scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)

    async def limit_tries(self, limit: FailureLimit, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a try on, unless too many have failed."""
        # As uvicorn has it: behind a proxy that it trusts, the address that the proxy saw.
        client, now = (scope.get("client") or [""])[0], time.monotonic()
        if wait := limit.begin(client, now):
            headers = {"Retry-After": str(math.ceil(wait))}
            refusal = JSONResponse({"detail": "Too many failed logins"}, 429, headers)
            await refusal(scope, receive, send)
            return

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                limit.succeed(client, now)
            await send(message)

        await self.app(scope, receive, send_and_count)


async def is_logged_in(request: Request) -> bool:
    """Return whether a request has a valid token, in its header or in the UI's cookie."""
    kind, _space, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        token = request.cookies.get(COOKIE_NAME_JWT_TOKEN, "")
    try:
        await resolve_user_from_token(token)
    except HTTPException:
        return False
    return True
