"""The result backend: Celery's own, but that it never unpickles what stands in the database.

A pickle runs code in whoever loads it. Every worker may write results, and the scheduler loads whole rows,
although Airflow uses nothing of them but the state. `override_backends` in `[celery] extra_celery_config`
names it, for everything that has the URL of the results.
"""

from __future__ import annotations

from typing import Any

from celery.backends.database import DatabaseBackend, models
from sqlalchemy.types import LargeBinary, TypeDecorator


class Unread(TypeDecorator[None]):
    """Bytes that are written as NULL, and read as None whatever they are."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> None:
        """Write NULL."""

    def process_result_value(self, value: Any, dialect: Any) -> None:
        """Read None."""


class Backend(DatabaseBackend):
    """Celery's own; Airflow asks for the states of many tasks at once where it is a subclass."""


# Of the tables, so that each class for them is covered. An error here ends the process, as it must.
for model in (models.Task, models.TaskSet):
    model.__table__.c.result.type = Unread()
