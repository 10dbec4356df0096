"""Clients of the broker."""

from __future__ import annotations

from typing import Any

import redis

PORT = 6379


def connect(
    address: str, username: str | None = None, password: str | None = None, *, port: int = PORT, **tls: Any
) -> redis.Redis:
    """Return a client; without a username it is unauthenticated."""
    return redis.Redis(
        host=address,
        port=port,
        username=username,
        password=password,
        socket_timeout=10,
        decode_responses=True,
        # The client sends nothing before the first command, so an unauthenticated one can send that.
        protocol=2,
        driver_info=None,
        **tls,
    )
