"""The patch stuck_in_queued, against Airflow's own tables in a database in memory."""
# ruff: noqa: SLF001 - a patch replaces private functions

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from airflow.utils.types import DagRunType
from lakehouse_airflow import scheduler
from sqlalchemy import create_engine, insert, select, update
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

# Importing the module has applied the patch, if the code is the one it knows.
PATCHED = SchedulerJobRunner._maybe_requeue_stuck_ti
UNPATCHED = getattr(PATCHED, "__wrapped__", PATCHED)


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(
            insert(DagRun).values(
                id=1, dag_id="dag", run_id="run", run_type=DagRunType.MANUAL, run_after=datetime.now(UTC)
            )
        )
        session.execute(
            insert(TaskInstance).values(
                id=uuid.uuid4(),
                dag_id="dag",
                task_id="task",
                run_id="run",
                state=TaskInstanceState.QUEUED,
                pool="default_pool",
                pool_slots=1,
            )
        )
        session.commit()
        yield session


def handle(session: Session, *, begun: bool) -> str:
    """Return the state of a task that was queued for long, and that a worker may have begun since."""
    runner = object.__new__(SchedulerJobRunner)
    runner._num_stuck_queued_retries = 1
    runner._task_queued_timeout = 600
    task = session.scalars(select(TaskInstance)).one()
    if begun:
        session.execute(
            update(TaskInstance)
            .values(state=TaskInstanceState.RUNNING)
            .execution_options(synchronize_session=False)
        )
    runner._maybe_requeue_stuck_ti(ti=task, session=session, executor=None)
    session.commit()
    return str(session.scalar(select(TaskInstance.state)))


def test_patch_is_applied() -> None:
    assert scheduler.CELERY_CONFIG
    assert PATCHED is not UNPATCHED


def test_unpatched_a_running_task_is_queued_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SchedulerJobRunner, "_maybe_requeue_stuck_ti", UNPATCHED)
    # When this fails Airflow has fixed it, and the patch can go.
    assert handle(session, begun=True) == "scheduled"


def test_a_running_task_is_left_alone(session: Session) -> None:
    assert handle(session, begun=True) == "running"


def test_a_queued_task_is_queued_again(session: Session) -> None:
    assert handle(session, begun=False) == "scheduled"
