"""The scheduler's Celery configuration: Airflow's own, with patches applied at its import.

`[celery] celery_config_options` names it, in the scheduler alone.
"""

from __future__ import annotations

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG

from lakehouse_airflow import patching

CELERY_CONFIG = DEFAULT_CELERY_CONFIG

patching.apply("result_connection", "stuck_in_queued")
