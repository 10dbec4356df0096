"""Airflow's plugin of the collection: a middleware of the API server.

Every process of Airflow imports it, so it imports next to nothing where that server's settings are not.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from airflow.sdk.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping


def middlewares(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the middleware with its settings, which only the API server has."""
    rate = environment.get("AIRFLOW__LAKEHOUSE__TOKEN_RATE_LIMIT")
    if rate is None:
        return []
    headers = {
        "policy": environment.get("AIRFLOW__LAKEHOUSE__CONTENT_SECURITY_POLICY", ""),
        "transport": environment.get("AIRFLOW__LAKEHOUSE__STRICT_TRANSPORT_SECURITY", ""),
    }
    guard = importlib.import_module("lakehouse_airflow.api_server").Guard
    return [{"name": "lakehouse", "middleware": guard, "kwargs": {"rate": rate, **headers}}]


class Plugin(AirflowPlugin):
    """What Airflow looks for among entry points."""

    name = "lakehouse"
    fastapi_root_middlewares = middlewares(os.environ)
