"""One of two schedulers or API servers is lost while tasks run: every task succeeds, and the API answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import assert_survived, attempts, faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster, Host, Run


@pytest.fixture(autouse=True)
def healthy_at_the_end(cluster: Cluster, airflow: Airflow) -> Iterator[None]:
    yield
    cluster.wait_healthy()
    airflow.wait_healthy()


@pytest.fixture
def lost(cluster: Cluster) -> Host:
    """Return the host of the API server whose address the workers try first."""
    output = cluster.host("worker1").check_output("getent ahosts airflow-api")
    addresses = [line.split()[0] for line in output.splitlines() if "STREAM" in line]
    hosts = {host.address: host for host in cluster.hosts("webservers")}
    assert sorted(addresses) == sorted(hosts)
    return hosts[addresses[0]]


@pytest.fixture
def survivor(cluster: Cluster, lost: Host) -> Airflow:
    (host,) = (host for host in cluster.hosts("webservers") if host is not lost)
    return cluster.airflow(host)


def trigger_fifty(airflow: Airflow) -> Run:
    """Trigger fifty short tasks, and wait until some of them have run."""
    run = airflow.trigger("lab_fifty", seconds=[0] * 50)
    run.wait_tasks("five done", lambda tasks: [task.state for task in tasks].count("success") >= 5)
    return run


def assert_none_lost(cluster: Cluster, run: Run) -> None:
    """Assert that each task succeeded; one that its scheduler had not sent yet may have a second try."""
    tasks = run.tasks()
    assert {task.state for task in tasks} == {"success"}, tasks
    assert len(attempts(cluster, run)) == len(tasks)


def test_a_scheduler_is_killed(cluster: Cluster, airflow: Airflow) -> None:
    """The other scheduler takes over the tasks that the killed one had not sent yet."""
    run = trigger_fifty(airflow)
    with faults.dead(cluster.one("schedulers"), "airflow-scheduler"):
        later = airflow.trigger("lab_six", seconds=[0] * 6)
        later.wait()
        run.wait()
    assert_none_lost(cluster, run)
    assert_survived(cluster, later)


def test_an_api_server_is_killed(cluster: Cluster, lost: Host, survivor: Airflow) -> None:
    """Its clients connect to the next address of the name."""
    run = trigger_fifty(survivor)
    with faults.dead(lost, "airflow-api-server"):
        later = survivor.trigger("lab_six", seconds=[0] * 6)
        later.wait()
        run.wait()
    assert_survived(cluster, run)
    assert_survived(cluster, later)


def test_the_host_of_an_api_server_is_switched_off(cluster: Cluster, lost: Host, survivor: Airflow) -> None:
    """Each new connection takes five seconds more, until its client tries the next address of the name."""
    run = survivor.trigger("lab_six", seconds=[10] * 2 + [0] * 4)
    run.wait_tasks("two running", lambda tasks: [task.state for task in tasks].count("running") >= 2)
    with faults.silent(lost, faults.API_PORT):
        run.wait(timeout=180)
    assert_survived(cluster, run)
