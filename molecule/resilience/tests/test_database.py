"""PostgreSQL is down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from testlib import assert_survived, faults, record_recovery, wait_running

if TYPE_CHECKING:
    from testlib import Airflow, Cluster

OUTAGE = 100


def test_postgresql_is_down_while_tasks_run(cluster: Cluster, airflow: Airflow) -> None:
    """One task ends during the outage, the other one after it; systemd restarts scheduler and DAG processor.

    The mechanism is the patch api_retries. With Airflow's own 5 attempts and 3 heartbeats both tasks needed
    a second try.
    """
    run = airflow.trigger("lab_two", seconds=[20, OUTAGE + 15])
    wait_running(cluster, run, 2)
    with faults.stopped("postgresql", cluster.one("postgres")):
        time.sleep(OUTAGE)
    fault_end = time.time()
    airflow.wait_healthy()
    run.wait()
    assert_survived(cluster, run)
    record_recovery("postgresql-down", fault_end, run)
