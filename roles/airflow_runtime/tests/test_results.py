"""No result is unpickled, whatever stands in the result database: Airflow's own query, a database file."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.celery.executors.celery_executor_utils import BulkStateFetcher
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery import Celery, states
from celery.result import GroupResult
from lakehouse_airflow.results import Backend

if TYPE_CHECKING:
    from pathlib import Path

# As in roles/airflow_service/vars/main/options.yml.
OVERRIDE = {"override_backends": {"db": "lakehouse_airflow.results:Backend"}}
# Fetches the state of a task as the scheduler does.
FETCH = """
import sys
from airflow.providers.celery.executors.celery_executor_utils import BulkStateFetcher, create_celery_app
from airflow.configuration import conf
app = create_celery_app(conf)
app.conf.database_engine_options = {}
print(BulkStateFetcher(1, celery_app=app).get_many([app.AsyncResult("hostile")]))
"""


class Hostile:
    """Creates a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def touched(tmp_path: Path) -> Path:
    return tmp_path / "touched"


@pytest.fixture(params=[False, True], ids=["plain", "extended"])
def app(tmp_path: Path, request: pytest.FixtureRequest) -> Celery:
    app = Celery("test")
    app.conf.update(DEFAULT_CELERY_CONFIG, result_backend=f"db+sqlite:///{tmp_path}/results")
    # What Airflow adds is for PostgreSQL.
    app.conf.update(OVERRIDE, database_engine_options={}, result_extended=request.param)
    app.loader.override_backends = OVERRIDE["override_backends"]
    assert isinstance(app.backend, Backend)
    app.backend.ResultSession().close()
    return app


def write(tmp_path: Path, touched: Path, state: str) -> None:
    """Write rows as a hostile worker may."""
    hostile = pickle.dumps(Hostile(touched))
    with sqlite3.connect(tmp_path / "results") as database:
        database.execute(
            "INSERT INTO celery_taskmeta (task_id, status, result) VALUES ('hostile', ?, ?)", (state, hostile)
        )
        database.execute(
            "INSERT INTO celery_tasksetmeta (taskset_id, result) VALUES ('hostile', ?)", (hostile,)
        )


@pytest.mark.parametrize("state", sorted(states.ALL_STATES))
def test_a_hostile_result_is_not_loaded(app: Celery, tmp_path: Path, touched: Path, state: str) -> None:
    write(tmp_path, touched, state)
    result = app.AsyncResult("hostile")
    assert BulkStateFetcher(1, celery_app=app).get_many([result]) == {"hostile": (state, None)}
    assert result.state == state
    assert result.result is None
    assert GroupResult.restore("hostile", backend=app.backend) is None
    assert not touched.exists()


@pytest.mark.parametrize(
    ("state", "value"),
    [(states.SUCCESS, {"any": "value"}), (states.FAILURE, ValueError("wrong")), (states.STARTED, {"pid": 1})],
)
def test_a_result_is_stored_without_its_value(app: Celery, tmp_path: Path, state: str, value: Any) -> None:
    app.backend.store_result("harmless", value, state)
    with sqlite3.connect(tmp_path / "results") as database:
        rows = database.execute("SELECT task_id, status, result FROM celery_taskmeta").fetchall()
    assert rows == [("harmless", state, None)]


def test_a_hostile_result_is_overwritten_unread(app: Celery, tmp_path: Path, touched: Path) -> None:
    write(tmp_path, touched, states.STARTED)
    app.backend.store_result("hostile", None, states.SUCCESS)
    assert app.AsyncResult("hostile").state == states.SUCCESS
    assert not touched.exists()


@pytest.mark.parametrize("extra", [{}, OVERRIDE], ids=["without", "with"])
def test_only_the_option_keeps_it_from_running(tmp_path: Path, touched: Path, extra: dict[str, Any]) -> None:
    backend = f"db+sqlite:///{tmp_path}/results"
    Celery("test", backend=backend).backend.ResultSession().close()
    write(tmp_path, touched, states.SUCCESS)
    subprocess.run(
        [sys.executable, "-c", FETCH],
        env=os.environ
        | {
            "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": json.dumps(extra),
            "AIRFLOW__CELERY__RESULT_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
        timeout=60,
    )
    # When Celery's own backend is as safe, this one can go.
    assert touched.exists() == (not extra)
