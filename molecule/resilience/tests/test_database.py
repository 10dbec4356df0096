"""PostgreSQL is down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from testlib import assert_survived, faults, recovered, wait_running

if TYPE_CHECKING:
    from testlib import Airflow, Lab

OUTAGE = 100


def test_postgresql_is_down_while_tasks_run(lab: Lab, airflow: Airflow) -> None:
    """One task ends meanwhile, the other goes on; scheduler and DAG processor come back by themselves.

    The mechanism is outlast_outages of the worker's module. With Airflow's own 5 attempts and 3 heartbeats
    both tasks had to be run a second time.
    """
    run = airflow.trigger("lab_two", seconds=[20, OUTAGE + 15])
    wait_running(lab, run, 2)
    with faults.stopped("postgresql", lab.one("postgres")):
        time.sleep(OUTAGE)
    mended = time.time()
    airflow.wait_healthy()
    run.wait()
    assert_survived(lab, run)
    recovered("postgresql-down", mended, run)
