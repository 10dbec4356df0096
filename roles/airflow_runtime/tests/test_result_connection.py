"""The patch result_connection, against Airflow's own query of results and a database in a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.celery.executors.celery_executor_utils import BulkStateFetcher
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery import Celery
from celery.backends.database.session import SessionManager
from lakehouse_airflow import scheduler
from sqlalchemy import event
from sqlalchemy.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Importing the module has applied the patch, if the code is the one it knows.
PATCHED = SessionManager.__init__
SessionManager.__init__ = getattr(PATCHED, "__wrapped__", PATCHED)


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionManager, "__init__", PATCHED)


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """Yield the connections that are opened."""
    connections: list[Any] = []

    def remember(connection: Any, _record: Any) -> None:
        connections.append(connection)

    event.listen(Pool, "connect", remember)
    yield connections
    event.remove(Pool, "connect", remember)


@pytest.fixture
def app(tmp_path: Path) -> Celery:
    app = Celery("test")
    app.conf.update(DEFAULT_CELERY_CONFIG, result_backend=f"db+sqlite:///{tmp_path}/results")
    # What Airflow adds is for PostgreSQL.
    app.conf.database_engine_options = {"pool_pre_ping": True}
    return app


def query(app: Celery) -> None:
    states = BulkStateFetcher(1, celery_app=app).get_many([app.AsyncResult("unknown")])
    assert states == {"unknown": ("PENDING", None)}


def test_configuration_is_airflows_own() -> None:
    assert scheduler.CELERY_CONFIG is DEFAULT_CELERY_CONFIG


def test_unpatched_each_query_connects(app: Celery, opened: list[Any]) -> None:
    query(app)
    before = len(opened)
    query(app)
    query(app)
    # When this fails Airflow or Celery has fixed it, and the patch can go.
    assert len(opened) - before == 2


@pytest.mark.usefixtures("patched")
def test_one_connection_serves_all_queries(app: Celery, opened: list[Any]) -> None:
    other = Celery("other")
    other.conf.update(app.conf)
    for _query in range(3):
        query(app)
        query(other)
    assert len(opened) == 1


@pytest.mark.usefixtures("patched")
def test_a_lost_connection_is_replaced(app: Celery, opened: list[Any]) -> None:
    query(app)
    opened[0].close()
    query(app)
    assert len(opened) == 2


@pytest.mark.usefixtures("patched")
def test_a_forked_process_has_a_connection_of_its_own(app: Celery, opened: list[Any]) -> None:
    query(app)
    child = os.fork()
    if child == 0:
        try:
            query(app)
        finally:
            os._exit(len(opened))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    query(app)
    assert len(opened) == 1
