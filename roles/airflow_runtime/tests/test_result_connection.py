"""keep_connection, against Airflow's own look for results and a database in a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import lakehouse_scheduler
import pytest
from airflow.providers.celery.executors.celery_executor_utils import BulkStateFetcher
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery import Celery
from celery.backends.database.session import SessionManager
from sqlalchemy import event
from sqlalchemy.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Importing the module has put it in place, if the code is the one it knows.
MENDED = SessionManager.__init__
ALONE = getattr(MENDED, "__wrapped__", MENDED)
SessionManager.__init__ = ALONE


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionManager, "__init__", MENDED)


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """Give the connections that are opened."""
    connections: list[Any] = []

    def remember(connection: Any, _: Any) -> None:
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


def look(app: Celery) -> None:
    states = BulkStateFetcher(1, celery_app=app).get_many([app.AsyncResult("unknown")])
    assert states == {"unknown": ("PENDING", None)}


def test_configuration_is_airflows_own() -> None:
    assert lakehouse_scheduler.CELERY_CONFIG is DEFAULT_CELERY_CONFIG


def test_airflow_alone_connects_for_each_look(app: Celery, opened: list[Any]) -> None:
    look(app)
    before = len(opened)
    look(app)
    look(app)
    # When this fails Airflow or Celery has been mended, and keep_connection can go.
    assert len(opened) - before == 2


@pytest.mark.usefixtures("mended")
def test_one_connection_serves_all_looks(app: Celery, opened: list[Any]) -> None:
    other = Celery("other")
    other.conf.update(app.conf)
    for _ in range(3):
        look(app)
        look(other)
    assert len(opened) == 1


@pytest.mark.usefixtures("mended")
def test_a_lost_connection_is_replaced(app: Celery, opened: list[Any]) -> None:
    look(app)
    opened[0].close()
    look(app)
    assert len(opened) == 2


@pytest.mark.usefixtures("mended")
def test_a_forked_process_has_a_connection_of_its_own(app: Celery, opened: list[Any]) -> None:
    look(app)
    child = os.fork()
    if child == 0:
        try:
            look(app)
        finally:
            os._exit(len(opened))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    look(app)
    assert len(opened) == 1
