"""playbooks/restart.yml restarts what it is told to, and no task is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import assert_survived, run_playbook, wait_running

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Result


def restart(cluster: Cluster, *args: str) -> Result:
    return run_playbook(cluster.inventory, "restart", "--skip-tags=validate", *args)


def invocations(cluster: Cluster) -> dict[tuple[str, str], str]:
    return {(host.name, unit): host.unit(unit)["InvocationID"] for host, unit in cluster.units()}


def test_all_services_are_restarted_while_tasks_run(cluster: Cluster, airflow: Airflow) -> None:
    before = invocations(cluster)
    run = airflow.trigger("lab_six", seconds=[30] * 2 + [1] * 4)
    wait_running(cluster, run, 2)
    done = restart(cluster).assert_success()
    after = invocations(cluster)
    run.wait()
    assert_survived(cluster, run)
    kept = {key for key in before if before[key] == after[key]}
    assert kept == {("postgres1", "postgresql"), ("valkey1", "valkey-server")}
    assert "worker_answers_ping: 2 ok" in done.text


def test_hosts_and_tiers_can_be_chosen(cluster: Cluster) -> None:
    before = invocations(cluster)
    done = restart(cluster, "--limit=scheduler1", "--tags=webservers").assert_success()
    after = invocations(cluster)
    assert {key for key in before if before[key] != after[key]} == {("scheduler1", "airflow-api-server")}
    assert done.changed == {"scheduler1": 1}
