"""The services run with the configuration that the specification demands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from testlib import AIRFLOW_UNITS, GROUP_UNITS

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower

BROKER = {
    False: re.compile(r"redis://[^@/]+@valkey:6379/0"),
    True: re.compile(
        r"rediss://[^@/]+@valkey:6379/0\?ssl_cert_reqs=required&ssl_ca_certs=%2Fetc%2Fairflow%2Fca-\w+\.pem"
    ),
}
RESULTS = {
    False: re.compile(r"db\+postgresql://[^@/]+:[^@/]+@postgres:5432/\w+"),
    True: re.compile(
        r"db\+postgresql://[^@/]+:[^@/]+@postgres:5432/\w+\?sslmode=verify-full&sslrootcert=%2Fetc%2Fairflow%2Fca-\w+\.pem"
    ),
}
CONTROL_PLANE_OPTIONS = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
}


@pytest.mark.parametrize("group", GROUP_UNITS)
def test_each_unit_of_the_group_is_running_and_enabled(cluster: Cluster, group: str) -> None:
    if group in {"postgres", "valkey"} and not cluster.hosts(group):
        pytest.skip("the server existed already")
    assert cluster.hosts(group)
    for host, unit in cluster.units({group: GROUP_UNITS[group]}):
        service = host.service(unit)
        assert service.is_running, f"{unit} on {host}:\n{host.journal(unit)}"
        assert service.is_enabled, f"{unit} on {host}"


def test_every_airflow_service_uses_the_celery_executor(cluster: Cluster) -> None:
    for host, unit in cluster.units(AIRFLOW_UNITS):
        assert host.environment(unit)["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor", (host, unit)


def test_processes_have_the_variables_of_their_environment_file(cluster: Cluster) -> None:
    readable = set()
    for host, unit in cluster.units(AIRFLOW_UNITS):
        expected = host.environment(unit)
        if expected.get("AIRFLOW__LAKEHOUSE__ISOLATE_TASKS") == "True":
            # The credentials are taken out of it, and the title of the server of the tasks overwrites a part.
            continue
        for found in host.process_environments(unit):
            if "AIRFLOW__CORE__EXECUTOR" in found:
                readable.add(unit)
                differing = {
                    name
                    for name in expected
                    if name.startswith("AIRFLOW_") and expected[name] != found.get(name)
                }
                assert not differing, (host, unit)
    assert {"airflow-scheduler", "airflow-worker"} <= readable


@pytest.mark.parametrize("unit", ["airflow-scheduler", "airflow-worker"])
def test_the_urls_of_broker_and_result_backend_are_those_of_the_specification(
    cluster: Cluster, unit: str
) -> None:
    if not cluster.hosts("postgres"):
        pytest.skip("the servers have names of their own")
    tls = cluster.authority is not None
    for host in cluster.hosts(f"{unit.removeprefix('airflow-')}s"):
        environment = host.environment(unit)
        assert BROKER[tls].fullmatch(environment["AIRFLOW__CELERY__BROKER_URL"]), host
        assert RESULTS[tls].fullmatch(environment["AIRFLOW__CELERY__RESULT_BACKEND"]), host


def test_a_worker_has_no_secret_of_the_control_plane(cluster: Cluster) -> None:
    secrets = {
        cluster.secrets[name]
        for name in ("airflow_fernet_key", "airflow_jwt_secret", "airflow_database_password")
    }
    for host in cluster.hosts("workers"):
        for environment in [host.environment("airflow-worker"), *host.process_environments("airflow-worker")]:
            assert not CONTROL_PLANE_OPTIONS & environment.keys(), host
            found = [name for name, value in environment.items() for secret in secrets if secret in value]
            assert not found, host


def test_the_concurrency_of_a_worker_is_the_number_of_cpus(cluster: Cluster, flower: Flower) -> None:
    pools = {name: worker["stats"]["pool"]["max-concurrency"] for name, worker in flower.workers().items()}
    cpus = {f"celery@{host.name}": int(host.check_output("nproc")) for host in cluster.hosts("workers")}
    assert pools == cpus


def test_parallelism_is_32_and_16_per_dag(cluster: Cluster, airflow: Airflow) -> None:
    for host in cluster.hosts("schedulers"):
        environment = host.environment("airflow-scheduler")
        assert environment["AIRFLOW__CORE__PARALLELISM"] == "32"
        assert environment["AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG"] == "16"
    assert airflow.call("GET", "dags/lab_where")["max_active_tasks"] == 16
