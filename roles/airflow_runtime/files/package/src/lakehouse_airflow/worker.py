"""The worker's Celery configuration: Airflow's own, with receivers of the signals that only a worker sends.

`[celery] celery_config_options` names it, in the worker alone. Other commands with the worker's settings
import it too, without effect.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.configuration import conf
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import celeryd_init, import_modules, worker_init
from celery.utils.nodenames import default_nodename
from celery.worker.control import Panel

from lakehouse_airflow import patching, preload, watchdog
from lakehouse_airflow.hostname import get_worker_name

CELERY_CONFIG = DEFAULT_CELERY_CONFIG

PATCHES = ("supervisor_exit", "busy_slots", "api_retries", "first_heartbeat")

# The commands of Celery's remote control that a worker obeys: those of Airflow's executor and its `celery`
# command, of Flower's pages and of the worker monitor. None stops a worker, or imports something.
CONTROL_COMMANDS = {
    "active",
    "active_queues",
    "add_consumer",
    "cancel_consumer",
    "conf",
    "enable_events",
    "ping",
    "query_task",
    "registered",
    "reserved",
    "revoke",
    "revoked",
    "scheduled",
    "stats",
}


def limit_control(**_: Any) -> None:
    """Forget all other commands; a worker logs an error when it is sent one, and goes on."""
    for name in Panel.data.keys() - CONTROL_COMMANDS:
        del Panel.data[name]


def set_node_name(instance: Any, **_: Any) -> None:
    """Name the worker as the inventory does, unless a command line named it.

    With --celery-hostname Airflow's worker gives up when the broker is down at its start.
    """
    if instance.hostname == default_nodename(None):
        instance.hostname = default_nodename(get_worker_name())


def prepare_slots(**_: Any) -> None:
    """Patch and preload in the process that the slots are forked from."""
    patching.apply(*PATCHES)
    preload.load_once()


# In the order of the signals: the first is sent after the worker's helpers have forked, before its slots do.
import_modules.connect(prepare_slots)
celeryd_init.connect(set_node_name)
celeryd_init.connect(limit_control)
worker_init.connect(watchdog.connect)

# airflow_worker_isolate_tasks
if conf.getboolean("lakehouse", "isolate_tasks", fallback=False):
    from lakehouse_airflow import isolation

    # At the import, which is before the worker forks its helpers, and where an error ends it.
    isolation.take_credentials(os.environ, conf)
    isolated = isolation.Isolation()
    import_modules.connect(isolated.start)
    worker_init.connect(isolated.connect)
