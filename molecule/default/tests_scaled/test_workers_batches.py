"""Other packages make another environment, and workers move to it airflow_worker_batch at a time."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from testlib import run_site

if TYPE_CHECKING:
    from testlib import Cluster, Host

STOPPED, STARTED = "ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"


def restarts(cluster: Cluster) -> list[tuple[int, int]]:
    """Return when each worker was last stopped and started, in microseconds of the clock that all share."""
    units = [host.unit("airflow-worker") for host in cluster.hosts("workers")]
    return sorted((int(unit[STOPPED]), int(unit[STARTED])) for unit in units)


def overlap(intervals: list[tuple[int, int]]) -> bool:
    return any(following[0] < previous[1] for previous, following in pairwise(intervals))


def environments(cluster: Cluster) -> set[str]:
    """Return the environments from which the workers run."""
    units = [host.unit("airflow-worker") for host in cluster.hosts("workers")]
    return {unit["ExecStart"].split("path=")[1].partition("/bin/")[0] for unit in units}


def has_package(host: Host, environment: str) -> bool:
    return bool(host.run("%s/bin/python -c 'import cowsay'", environment).rc == 0)


def test_other_packages_make_another_environment_and_workers_move_to_it_one_after_the_other(
    cluster: Cluster,
) -> None:
    """The mechanism is airflow_worker_batch: when it allows all at once, they restart at the same time."""
    workers, before, (old,) = cluster.hosts("workers"), restarts(cluster), environments(cluster)
    options = json.dumps({"airflow_extra_packages": ["cowsay==6.1"], "airflow_worker_batch": 1})
    run_site(cluster.inventory, f"--extra-vars={options}").assert_success()
    one_by_one, (new,) = restarts(cluster), environments(cluster)
    packages = [(has_package(host, old), has_package(host, new)) for host in workers]

    run_site(cluster.inventory, "--extra-vars=airflow_worker_batch=100%").assert_success()
    at_once = restarts(cluster)

    # The one from which services run is never changed, and one without the package follows.
    assert packages == [(False, True)] * len(workers)
    assert environments(cluster) == {old} != {new}
    assert not set(before) & set(one_by_one)
    assert not overlap(one_by_one)
    assert not set(one_by_one) & set(at_once)
    assert overlap(at_once)
