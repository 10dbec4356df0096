"""Import and load before the pool forks what every slot and every task would load for itself."""

from __future__ import annotations

import importlib
import logging

log = logging.getLogger(__name__)

# What Airflow imports for a task only once the task is there: the first two in each slot, the others in the
# process of every single task, which is forked from the slot. None opens a connection or starts a thread.
SHARED_IMPORTS = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.dag_processing.bundles.local",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.providers.standard.decorators.python",
    # Looked up when the API's host name is first encoded.
    "encodings.idna",
)


def load_once() -> None:
    """Load once what all slots share; without it they are slower, no more."""
    try:
        load()
    except Exception as error:  # noqa: BLE001 - better slow than not at all
        log.warning("Preload: incomplete, %s", error)
    else:
        log.info("Preload: complete")


def import_shared() -> None:
    """Import what the process of a task would import."""
    missing = []
    for name in SHARED_IMPORTS:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing.append(str(error))
    if missing:
        raise ImportError("; ".join(missing))


def load() -> None:
    import_shared()
    # The trusted certificates: 80 ms and 4 MB in each slot. Client reads them once a process, and connects to
    # nothing before it is asked something.
    importlib.import_module("airflow.sdk.api.client").Client(base_url="http://localhost", token="").close()
    # A first result makes SQLAlchemy map its table and, through a hook of Airflow's, all models: 5 MB.
    importlib.import_module("lakehouse_airflow.results").models.Task("")
