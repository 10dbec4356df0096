"""Workers that have to be restarted are restarted airflow_worker_batch at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from testlib import run_site

if TYPE_CHECKING:
    from testlib import Cluster

STOPPED, STARTED = "ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"


def restarts(cluster: Cluster) -> list[tuple[int, int]]:
    """Return when each worker was last stopped and started, in microseconds of the clock that all share."""
    units = [host.unit("airflow-worker") for host in cluster.hosts("workers")]
    return sorted((int(unit[STOPPED]), int(unit[STARTED])) for unit in units)


def overlap(intervals: list[tuple[int, int]]) -> bool:
    return any(following[0] < previous[1] for previous, following in pairwise(intervals))


def test_workers_are_restarted_one_after_the_other(cluster: Cluster) -> None:
    """The mechanism is airflow_worker_batch: when it allows all at once, they restart at the same time."""
    before = restarts(cluster)
    options = "--extra-vars=airflow_worker_stop_timeout=601 airflow_worker_batch=1"
    run_site(cluster.inventory, options).assert_success()
    one_by_one = restarts(cluster)
    run_site(cluster.inventory, "--extra-vars=airflow_worker_batch=100%").assert_success()
    at_once = restarts(cluster)

    assert not set(before) & set(one_by_one)
    assert not overlap(one_by_one)
    assert not set(one_by_one) & set(at_once)
    assert overlap(at_once)
