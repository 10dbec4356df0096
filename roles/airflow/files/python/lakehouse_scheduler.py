"""The scheduler's Celery configuration: Airflow's own, and with it a connection that is kept.

Named by `[celery] celery_config_options` of the scheduler alone. docs/upstream.md has the finding.
"""

from __future__ import annotations

import functools
from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.backends.database.session import SessionManager
from lakehouse_mends import apply, expect

CELERY_CONFIG = DEFAULT_CELERY_CONFIG


def keep_connection() -> None:
    """Look for results through one connection to the database, not through a new one in each round.

    Only a forked process keeps Celery's engine and its pool. The scheduler is none, and it forks none that
    would look for results.
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

    @functools.wraps(original)
    def init(self: Any) -> None:
        original(self)
        self.forked = True

    SessionManager.__init__ = init


apply({"Keeping the connection to the results": keep_connection})
