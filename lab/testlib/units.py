"""The systemd units that each inventory group's hosts run."""

from __future__ import annotations

WORKER_MONITOR = "airflow-worker-monitor"
WORKER_HEALTH = "airflow-worker-health"

GROUP_UNITS = {
    "postgres": ["postgresql"],
    "valkey": ["valkey-server"],
    "schedulers": ["airflow-scheduler"],
    "dag_processors": ["airflow-dag-processor"],
    "triggerers": ["airflow-triggerer"],
    "webservers": ["airflow-api-server"],
    "flower": ["airflow-flower", WORKER_MONITOR],
    "workers": ["airflow-worker"],
}
# Those whose work the schedulers do where they have no host.
OPTIONAL_GROUPS = ("dag_processors", "triggerers")
# Those that are commands of Airflow; the worker monitor is none.
AIRFLOW_UNITS = {
    group: [unit for unit in units if unit != WORKER_MONITOR]
    for group, units in GROUP_UNITS.items()
    if units[0].startswith("airflow-")
}
