"""Patch the result backend, so that one connection to its database serves all queries of a process."""

from __future__ import annotations

import functools
import os
from typing import Any

from celery.backends.database.session import SessionManager

from lakehouse_airflow.patching import expect


def apply() -> None:
    """Patch SessionManager.__init__.

    Celery keeps engines only where it has forked, and there each session manager has its own.
    """
    original = SessionManager.__init__
    expect(
        "celery",
        "5.6.3",
        {
            original: "1fdca38ee6768150",
            SessionManager.get_engine: "342c52568c834f0d",
            SessionManager.create_session: "51ac338c11af6f3f",
        },
    )
    engines: dict[str, Any] = {}
    sessions: dict[str, Any] = {}

    @functools.wraps(original)
    def init(self: Any) -> None:
        original(self)
        self.forked, self._engines, self._sessions = True, engines, sessions

    def leave_to_parent() -> None:
        for engine in engines.values():
            engine.dispose(close=False)

    SessionManager.__init__ = init
    os.register_at_fork(after_in_child=leave_to_parent)
