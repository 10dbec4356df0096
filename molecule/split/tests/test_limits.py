"""airflow_limits, as molecule.yml sets them for the workers, one of which isolates its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived

if TYPE_CHECKING:
    from testlib import Airflow, Cluster


def test_the_limits_are_those_of_the_unit_and_its_processes(cluster: Cluster) -> None:
    for worker in cluster.hosts("workers"):
        unit = worker.unit("airflow-worker")
        assert (unit["MemoryMax"], unit["TasksMax"], unit["CPUWeight"]) == (str(1200 << 20), "1000", "80")
        files = worker.check_output("grep 'open files' /proc/%s/limits", unit["MainPID"])
        assert files.split()[3:5] == ["4096", "8192"], files


@pytest.mark.parametrize(("name", "dag"), [("worker1", "lab_worker1_two"), ("worker2", "lab_worker2_two")])
def test_a_task_that_reaches_the_memory_of_its_worker_is_killed_alone(
    cluster: Cluster, airflow: Airflow, name: str, dag: str
) -> None:
    """The worker and its other task go on, and the killed one is tried again.

    Where the hosts of the lab have no memory controller of cgroup v2, systemd sets no such limit.
    """
    worker = cluster.host(name)
    before = worker.unit("airflow-worker")
    if not before["MemoryCurrent"].isdigit():
        pytest.skip("the lab has cgroup v1, whose memory limits systemd does not set")
    run = airflow.trigger(dag, seconds=[60, 15], allocating=[0])
    run.wait()
    assert worker.unit("airflow-worker")["InvocationID"] == before["InvocationID"]
    assert_survived(cluster, run, {0: 2})
