"""Configuration as the running services have it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from testlib import AIRFLOW_UNITS, GROUP_UNITS

if TYPE_CHECKING:
    from testlib import Airflow, Flower, Lab

BROKER = re.compile(r"redis://[^@/]+@valkey:6379/0")
RESULTS = re.compile(r"db\+postgresql://[^@/]+:[^@/]+@postgres:5432/\w+")
METADATA = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
}


@pytest.mark.parametrize("group", GROUP_UNITS)
def test_each_unit_of_the_group_is_active_and_enabled(lab: Lab, group: str) -> None:
    hosts = lab.hosts(group)
    assert hosts
    for host, unit in lab.units({group: GROUP_UNITS[group]}):
        host.assert_active(unit)
        assert host.unit(unit)["UnitFileState"] == "enabled", (host, unit)


def test_every_airflow_service_uses_the_celery_executor(lab: Lab) -> None:
    for host, unit in lab.units(AIRFLOW_UNITS):
        assert host.environment(unit)["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor", (host, unit)


def test_processes_hold_what_systemd_handed_them(lab: Lab) -> None:
    readable = set()
    for host, unit in lab.units(AIRFLOW_UNITS):
        given = host.environment(unit)
        for found in host.process_environments(unit):
            if "AIRFLOW__CORE__EXECUTOR" in found:
                readable.add(unit)
                differing = {
                    name for name in given if name.startswith("AIRFLOW_") and given[name] != found.get(name)
                }
                assert not differing, (host, unit)
    assert {"airflow-scheduler", "airflow-worker"} <= readable


@pytest.mark.parametrize("unit", ["airflow-scheduler", "airflow-worker"])
def test_broker_and_results_are_where_the_specification_has_them(lab: Lab, unit: str) -> None:
    for host in lab.hosts(f"{unit.removeprefix('airflow-')}s"):
        environment = host.environment(unit)
        assert BROKER.fullmatch(environment["AIRFLOW__CELERY__BROKER_URL"]), host
        assert RESULTS.fullmatch(environment["AIRFLOW__CELERY__RESULT_BACKEND"]), host


def test_a_worker_holds_no_secret_of_the_control_plane(lab: Lab) -> None:
    wanted = {
        lab.secrets[name]
        for name in ("airflow_fernet_key", "airflow_jwt_secret", "airflow_database_password")
    }
    for host in lab.hosts("workers"):
        for environment in [host.environment("airflow-worker"), *host.process_environments("airflow-worker")]:
            assert not METADATA & environment.keys(), host
            assert not [
                name for name, value in environment.items() for secret in wanted if secret in value
            ], host


def test_a_worker_runs_as_many_tasks_as_its_host_has_cpus(lab: Lab, flower: Flower) -> None:
    pools = {name: worker["stats"]["pool"]["max-concurrency"] for name, worker in flower.workers().items()}
    assert pools == {f"celery@{host.name}": int(host.check_output("nproc")) for host in lab.hosts("workers")}


def test_parallelism_is_32_and_16_a_dag(lab: Lab, airflow: Airflow) -> None:
    for host in lab.hosts("schedulers"):
        environment = host.environment("airflow-scheduler")
        assert environment["AIRFLOW__CORE__PARALLELISM"] == "32"
        assert environment["AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG"] == "16"
    assert airflow.call("GET", "dags/lakehouse_smoke")["max_active_tasks"] == 16
