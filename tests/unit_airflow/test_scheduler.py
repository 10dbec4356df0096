"""keep_connection, against Celery's own result backend and a database in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakehouse_scheduler
import pytest
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.backends.database.session import SessionManager
from sqlalchemy import text

if TYPE_CHECKING:
    from pathlib import Path

# Importing the module has put it in place.
MENDED = SessionManager.__init__
ALONE = MENDED.__wrapped__


@pytest.fixture(params=[MENDED, ALONE], ids=["mended", "alone"])
def init(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(SessionManager, "__init__", request.param)
    return request.param


def test_configuration_is_airflows_own() -> None:
    assert lakehouse_scheduler.CELERY_CONFIG is DEFAULT_CELERY_CONFIG


def test_one_connection_serves_all_looks(init: object, tmp_path: Path) -> None:
    sessions = SessionManager()
    connections = []
    for _ in range(3):
        with sessions.session_factory(f"sqlite:///{tmp_path}/results", pool_pre_ping=True) as session:
            assert session.execute(text("SELECT count(*) FROM celery_taskmeta")).scalar() == 0
            connections.append(session.connection().connection.dbapi_connection)
    # When this fails for Airflow alone Celery has been mended, and keep_connection can go.
    assert len(set(map(id, connections))) == (1 if init is MENDED else 3)


def test_a_lost_connection_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(SessionManager, "__init__", MENDED)
    sessions, url = SessionManager(), f"sqlite:///{tmp_path}/results"
    with sessions.session_factory(url, pool_pre_ping=True) as session:
        lost = session.connection().connection.dbapi_connection
    lost.close()
    with sessions.session_factory(url, pool_pre_ping=True) as session:
        assert session.execute(text("SELECT count(*) FROM celery_taskmeta")).scalar() == 0
