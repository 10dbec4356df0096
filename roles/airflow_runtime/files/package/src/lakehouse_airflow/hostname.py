"""The names by which Airflow, Celery and the inventory know this host and its worker.

Every process of Airflow imports this module, so it imports next to nothing.
"""

from __future__ import annotations

import os
import socket


def get_hostname() -> str:
    """Return the host's inventory name, or where none is set the system's name."""
    return os.environ.get("AIRFLOW__LAKEHOUSE__HOSTNAME") or socket.gethostname()


def get_worker_name() -> str:
    """Return the name of the worker: that of its host, but where a host runs several."""
    return os.environ.get("AIRFLOW__LAKEHOUSE__WORKER") or get_hostname()
