"""A worker is drained while tasks run, resumed, and removed; no task is lost and none runs twice."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from testlib import assert_survived, run_playbook, run_site, wait_for, wait_running

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Airflow, Cluster, Flower, Result, Run

NAME = "worker3"
# On each of three workers with two slots a long task and a short one, then more than they can run at once.
SECONDS = [30, 30, 30, 1, 1, 1] + [2] * 44


def state(cluster: Cluster) -> tuple[str, str]:
    unit = cluster.host(NAME).unit("airflow-worker")
    return unit["ActiveState"], unit["UnitFileState"]


@pytest.fixture(scope="module")
def drained(cluster: Cluster, airflow: Airflow) -> tuple[Run, Result]:
    run = airflow.trigger("lab_fifty", seconds=SECONDS)
    wait_running(cluster, run, 6)
    return run, run_playbook(cluster.inventory, "drain", f"--limit={NAME}")


def test_without_a_limit_nothing_is_drained(cluster: Cluster) -> None:
    for arguments, remedy in [
        ((), "--limit"),
        (("--limit=control",), "control is not in the group of workers"),
    ]:
        result = run_playbook(cluster.inventory, "drain", *arguments)
        assert result.returncode != 0
        assert remedy in result.text
        assert set(result.changed.values()) <= {0}


def test_a_drained_worker_finishes_its_tasks_and_takes_no_more(
    cluster: Cluster, drained: tuple[Run, Result]
) -> None:
    run, result = drained
    result.assert_success()
    assert "DAG lab_fifty, task work[" in result.output
    assert state(cluster) == ("inactive", "disabled")
    run.wait()
    found = assert_survived(cluster, run)
    on_worker = [attempt for tries in found.values() for attempt in tries if attempt.host == NAME]
    # systemd forgets the times of a unit that is stopped and disabled.
    journal = "journalctl --unit airflow-worker --output short-unix --grep ^Stopping --lines 1 --quiet"
    told_to_stop = float(cluster.host(NAME).check_output(journal).split()[0])
    # A task that it had just received is still to begin.
    assert max(attempt.begin for attempt in on_worker) < told_to_stop + 5
    assert max(attempt.end for attempt in on_worker) > told_to_stop
    elsewhere = [attempt for tries in found.values() for attempt in tries if attempt.host != NAME]
    assert max(attempt.begin for attempt in elsewhere) > told_to_stop + 5


def test_a_drained_worker_is_no_problem_and_stays_as_it_is(
    cluster: Cluster, drained: tuple[Run, Result], flower: Flower
) -> None:
    del drained
    assert f"drained: {NAME}" in run_playbook(cluster.inventory, "verify").assert_success().output
    assert f"celery@{NAME}" not in flower.online()
    status = cluster.worker_status()
    assert (status["problems"], status["workers"][NAME]["drained"]) == ({}, True)
    assert set(run_site(cluster.inventory).assert_success().changed.values()) == {0}
    assert state(cluster) == ("inactive", "disabled")


def test_a_resumed_worker_takes_tasks(cluster: Cluster, airflow: Airflow) -> None:
    run_playbook(cluster.inventory, "resume", f"--limit={NAME}").assert_success()
    assert state(cluster) == ("active", "enabled")
    assert {task.hostname for task in airflow.trigger("lab_worker3_two", seconds=[1, 1]).wait()} == {NAME}
    run_playbook(cluster.inventory, "verify").assert_success()


def without_worker(inventory: dict[str, Any]) -> dict[str, Any]:
    """Return an inventory without the worker."""
    found = copy.deepcopy(inventory)
    del found["hosts"][NAME]
    del found["children"]["workers"]["hosts"][NAME]
    return {"all": found}


def test_a_running_worker_that_the_inventory_does_not_have_is_reported(
    cluster: Cluster, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump(without_worker(cluster.content)), encoding="utf-8")
    result = run_playbook(inventory, "verify")
    assert result.returncode != 0
    assert f"unknown_worker: FAILED {NAME} (takes tasks, and is not in the inventory" in result.text


def listed_workers(flower: Flower) -> set[str]:
    """Return the workers that Flower lists, online or not; none while it starts."""
    try:
        return set(flower.get("workers?status=true"))
    except requests.ConnectionError:
        return set()


def test_a_removed_worker_is_forgotten_and_comes_back_by_the_next_run(
    cluster: Cluster, airflow: Airflow, flower: Flower
) -> None:
    run_playbook(cluster.inventory, "remove", f"--limit={NAME}").assert_success()
    address, control = cluster.host(NAME).address, cluster.host("control")
    assert state(cluster) == ("inactive", "disabled")
    assert NAME not in cluster.worker_status()["workers"]
    # It has just been restarted.
    listed = wait_for("workers in Flower", lambda: listed_workers(flower), lambda names: len(names) == 2)
    assert listed == {"celery@worker1", "celery@worker2"}
    assert address not in control.check_output("cat /etc/hosts /etc/postgresql/*/main/pg_hba.conf")

    run_site(cluster.inventory, f"--limit={NAME}").assert_success()
    run_playbook(cluster.inventory, "resume", f"--limit={NAME}").assert_success()
    assert address in control.check_output("cat /etc/hosts /etc/postgresql/*/main/pg_hba.conf")
    assert {task.hostname for task in airflow.trigger("lab_worker3_two", seconds=[1, 1]).wait()} == {NAME}
    wait_for("cluster healthy", cluster.unhealthy, lambda unhealthy: not unhealthy, timeout=60)
