"""Two hosts were added to the group `workers` and the playbook was run again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testlib import WATCH

if TYPE_CHECKING:
    from testlib import Airflow, Flower, Lab

NAMES = {"worker1", "worker2", "worker3"}
OLD_HOSTS = {"control", "worker1"}


def test_all_three_workers_are_in_flower(lab: Lab, flower: Flower) -> None:
    assert {host.name for host in lab.hosts("workers")} == NAMES
    assert flower.online() == {f"celery@{name}" for name in NAMES}


def test_all_three_workers_take_tasks_from_the_shared_queue(airflow: Airflow) -> None:
    tasks = airflow.trigger("lab_spread").wait()
    assert [task.outcome for task in tasks] == [("success", 1)] * 6
    assert {task.queue for task in tasks} == {"default"}
    assert {task.hostname for task in tasks} == NAMES


def test_the_playbook_has_had_each_worker_run_a_task(airflow: Airflow) -> None:
    answer = airflow.call("GET", "dags/lakehouse_smoke/dagRuns/~/taskInstances?state=success")
    assert {task["hostname"] for task in answer["task_instances"]} == NAMES


def test_nothing_was_restarted_elsewhere_but_the_watch(lab: Lab) -> None:
    added = min(host.booted() for host in lab.hosts() if host.name not in OLD_HOSTS)
    started = {
        (host.name, unit): host.started(unit)
        for host, unit in lab.units()
        if host.name in OLD_HOSTS and unit != WATCH
    }
    assert {unit for unit, time in started.items() if time >= added} == set()
    (postgres,) = lab.one("postgres").sql(
        "postgres", "SELECT extract(epoch FROM pg_postmaster_start_time())::int"
    )
    assert int(postgres) < added


def test_the_watch_knows_the_new_workers(lab: Lab) -> None:
    status = json.loads(lab.one("flower").check_output("cat /run/airflow-fleet/status.json"))
    assert status["workers"].keys() == NAMES
    assert status["problems"] == {}
