"""Patch the scheduler, so that it does not queue a task again that a worker has begun meanwhile."""
# ruff: noqa: SLF001 - a patch replaces private functions

from __future__ import annotations

import functools
from typing import Any

from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from lakehouse_airflow.patching import expect


def apply() -> None:
    """Patch SchedulerJobRunner._maybe_requeue_stuck_ti, which sets the state of what was queued a while ago.

    Otherwise a task that begins in between runs a second time, beside or after itself
    (https://github.com/apache/airflow/issues/65248).
    """
    original = SchedulerJobRunner._maybe_requeue_stuck_ti
    expect(
        "apache-airflow-core",
        "3.2.2 3.3.2",
        {
            original: "2d56d98b2bb0d648 1de8f1014925c5e5",
            SchedulerJobRunner._handle_tasks_stuck_in_queued: "77826016a0462a9e",
        },
    )

    @functools.wraps(original)
    def maybe_requeue_stuck_ti(self: Any, *, ti: Any, session: Any, executor: Any) -> None:
        # The API server locks the row, too, when a task begins. The caller commits after each task.
        state = session.scalar(select(TaskInstance.state).where(TaskInstance.id == ti.id).with_for_update())
        if state == TaskInstanceState.QUEUED:
            original(self, ti=ti, session=session, executor=executor)

    SchedulerJobRunner._maybe_requeue_stuck_ti = maybe_requeue_stuck_ti
