"""Two hosts were added to the group `workers`, and the playbook ran again, for one of them with --limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import WORKER_MONITOR

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower, Result

NAMES = {"worker1", "worker2", "worker3"}
OLD_HOSTS = {"control", "worker1"}


def test_check_mode_shows_what_bare_hosts_would_get(check_run: Result) -> None:
    assert check_run.changed["worker2"] > 0
    assert "would be built, and become /opt/airflow/current" in check_run.text
    assert '"worker3": ["default", "host.worker3"]' in check_run.text


def test_a_run_with_a_limit_adds_the_worker_to_all_that_have_to_know_it(
    limited_run: Result, whole_run: Result
) -> None:
    """The control host is outside of the limit, and a run without it finds nothing more to change."""
    assert limited_run.changed.keys() == {"worker3"}
    assert limited_run.changed["worker3"] > 0
    assert "Run the smoke test" in limited_run.output
    changed = whole_run.changed
    assert changed.pop("worker2") > 0
    # The smoke test of worker2, and its marker file on each host.
    assert changed == {"control": 2, "worker1": 1, "worker3": 1}


def test_all_three_workers_are_online_in_flower(cluster: Cluster, flower: Flower) -> None:
    assert {host.name for host in cluster.hosts("workers")} == NAMES
    assert flower.online() == {f"celery@{name}" for name in NAMES}


def test_all_three_workers_take_tasks_from_the_shared_queue(airflow: Airflow) -> None:
    tasks = airflow.trigger("lab_spread").wait()
    assert [task.outcome for task in tasks] == [("success", 1)] * 6
    assert {task.queue for task in tasks} == {"default"}
    assert {task.hostname for task in tasks} == NAMES


def test_the_smoke_test_ran_a_task_on_each_worker(airflow: Airflow) -> None:
    """Each run's conf names the workers it tests."""
    path = "dags/lakehouse_smoke_test/dagRuns"
    runs = airflow.call("GET", path)["dag_runs"]
    tasks = airflow.call("GET", f"{path}/~/taskInstances?state=success")["task_instances"]
    # Another test has run further workers on a host, which are gone.
    expected = {
        (run["dag_run_id"], worker) for run in runs for worker in run["conf"]["workers"] if worker in NAMES
    }
    ran = {
        (task["dag_run_id"], task["task_id"]): task["hostname"] for task in tasks if task["task_id"] in NAMES
    }
    assert ran == {(run_id, worker): worker for run_id, worker in expected}
    assert {worker for _run, worker in expected} == NAMES


def test_only_the_worker_monitor_was_restarted_elsewhere(cluster: Cluster) -> None:
    added = min(host.boot_time() for host in cluster.hosts() if host.name not in OLD_HOSTS)
    started = {
        (host.name, unit): host.start_time(unit)
        for host, unit in cluster.units()
        if host.name in OLD_HOSTS and unit != WORKER_MONITOR
    }
    assert {unit for unit, time in started.items() if time >= added} == set()
    (postgres,) = cluster.one("postgres").sql(
        "postgres", "SELECT extract(epoch FROM pg_postmaster_start_time())::int"
    )
    assert int(postgres) < added


def test_the_worker_monitor_knows_the_new_workers(cluster: Cluster) -> None:
    status = cluster.worker_status()
    assert status["workers"].keys() == NAMES
    assert status["problems"] == {}
