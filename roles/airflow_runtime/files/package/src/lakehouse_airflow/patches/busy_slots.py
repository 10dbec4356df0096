"""Patch the pool, so that it knows after a reconnect which slots run a task."""
# ruff: noqa: SLF001 - a patch replaces private functions

from __future__ import annotations

import functools
from typing import Any

from celery.concurrency.asynpool import AsynPool

from lakehouse_airflow.patching import expect


def apply() -> None:
    """Patch AsynPool.flush.

    Otherwise the pool hands the next task to a busy slot, where it waits for the running one while others are
    free. Celery 5.7.0 has this (https://github.com/celery/celery/pull/10346), but Airflow 3.3.2 does not run
    on it.
    """
    expect("celery", "5.6.3", {AsynPool.flush: "7315a8aaaf155e0c"})
    original = AsynPool.flush

    @functools.wraps(original)
    def flush(self: Any) -> None:
        running = [
            (number, job, slot)
            for number, job in self._cache.items()
            if job._accepted
            and (slot := job._write_to or job._scheduled_for)
            and slot.inqW_fd in self._busy_workers
        ]
        original(self)
        # Descriptors are reused: a slot counts only while it is the very process that has the job, and lives.
        self._busy_workers.update(
            slot.inqW_fd
            for number, job, slot in running
            if number in self._cache and slot is (job._write_to or job._scheduled_for) and slot._is_alive()
        )

    AsynPool.flush = flush
