"""Patch the supervisor's start, so that a task's first heartbeat follows an interval later."""
# ruff: noqa: SLF001 - a patch replaces private functions

from __future__ import annotations

import functools
from typing import Any

from airflow.sdk.execution_time.supervisor import ActivitySubprocess

from lakehouse_airflow.patching import expect


def apply() -> None:
    """Patch ActivitySubprocess._on_child_started: the start has just told the API what a heartbeat would."""
    original = ActivitySubprocess._on_child_started
    expect(
        "apache-airflow-task-sdk",
        "1.2.2 1.3.2",
        {original: "c1810e9d6d095987", ActivitySubprocess._send_heartbeat_if_needed: "31f8f8772b8c6096"},
    )

    @functools.wraps(original)
    def on_child_started(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self._last_heartbeat_attempt = self._last_successful_heartbeat

    ActivitySubprocess._on_child_started = on_child_started
