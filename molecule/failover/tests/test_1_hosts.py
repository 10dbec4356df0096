"""Each host of the cluster is switched off in turn, while tasks run."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from testlib import Cluster, assert_survived, faults, record_recovery
from testlib.status import wait_status_healthy
from testlib.stream import Stream

HOSTS = ["control1", "control2", "control3", "worker1", "worker2", "worker3"]
# Longer than a failover.
AWAY = 60
LONG = 40.0


@pytest.mark.parametrize("name", HOSTS)
def test_no_task_is_lost_and_none_runs_twice_at_a_time(cluster: Cluster, name: str) -> None:
    """Only what runs on a worker that is lost needs a second try."""
    wait_status_healthy(cluster)
    with Stream(cluster, LONG) as stream:
        time.sleep(10)
        start = time.time()
        with faults.switched_off(cluster, cluster.host(name)):
            time.sleep(AWAY)
        wait_status_healthy(cluster)
    begins, retried = [], 0
    for run in stream.runs:
        run.airflow = cluster.airflow()
        tries = {task.map_index: task.outcome[1] for task in run.wait(timeout=300)}
        found = assert_survived(cluster, run, tries)
        begins += [attempt.begin for attempts in found.values() for attempt in attempts]
        retried += sum(number - 1 for number in tries.values())
    pause = max(second - first for first, second in pairwise(sorted(begins)))
    record_recovery(f"{name} switched off", start, *stream.runs)
    print(
        f"{name} switched off: {len(stream.runs)} runs, {retried} tasks needed a second try; API away"
        f" {stream.api_away():.1f} s, no task began for {pause:.1f} s"
    )
    assert retried == 0 or name in [host.name for host in cluster.hosts("workers")]
