"""Every connection to the servers that existed already is encrypted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import redis
from testlib.broker import connect

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Host

# Through the asynchronous connection of the API server.
ASYNC_CHECK = """
import asyncio
from airflow.utils.session import create_session_async
from sqlalchemy import text

async def main():
    async with create_session_async() as session:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        print("encrypted:", (await session.execute(text(query))).scalar())

asyncio.run(main())
"""
# What the watchdog of a worker asks, with the worker's settings.
WATCHDOG_CHECK = """
import os
from lakehouse_airflow.watchdog import answers
print([answers(os.environ[f"AIRFLOW__CELERY__{name}"]) for name in ("BROKER_URL", "RESULT_BACKEND")])
"""


def run_python(host: Host, service: str, script: str) -> str:
    """Run a script with the settings of a service and the Python of the cluster."""
    command = (
        "systemd-run --quiet --collect --wait --pipe --uid=airflow-%s --property=EnvironmentFile=%s %s -c %s"
    )
    return host.check_output(
        command, service, f"/etc/airflow/{service}.env", "/opt/airflow/current/bin/python", script
    )


def test_the_services_ask_for_verified_certificates(cluster: Cluster) -> None:
    control, worker = cluster.host("control"), cluster.host("worker1")
    database = control.environment("airflow-api-server")["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert "@db.company.test:5433/company_airflow?sslmode=verify-full&sslrootcert=" in database
    for host, unit in ((control, "airflow-scheduler"), (worker, "airflow-worker")):
        environment = host.environment(unit)
        results = environment["AIRFLOW__CELERY__RESULT_BACKEND"]
        broker = environment["AIRFLOW__CELERY__BROKER_URL"]
        assert "@db.company.test:5433/company_results?sslmode=verify-full&sslrootcert=" in results
        assert broker.startswith("rediss://svc_broker:")
        assert "@broker.company.test:6390/0?ssl_cert_reqs=required&ssl_ca_certs=" in broker
        assert host.file(broker.rpartition("=")[2].replace("%2F", "/")).exists


def test_every_connection_to_the_databases_is_encrypted(cluster: Cluster, airflow: Airflow) -> None:
    airflow.wait_healthy()
    query = (
        "SELECT DISTINCT datname, usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
        " WHERE client_addr IS NOT NULL ORDER BY 1"
    )
    assert cluster.server("postgres").sql("postgres", query) == [
        "company_airflow|svc_airflow|t",
        "company_results|svc_results|t",
    ]


def test_the_asynchronous_connection_is_encrypted(cluster: Cluster) -> None:
    output = run_python(cluster.host("control"), "api-server", ASYNC_CHECK)
    assert "encrypted: True" in output


def test_the_watchdog_of_a_worker_reaches_both_servers(cluster: Cluster) -> None:
    assert run_python(cluster.host("worker1"), "worker", WATCHDOG_CHECK).splitlines()[-1] == "[True, True]"


def test_the_broker_is_reached_with_tls_alone(cluster: Cluster) -> None:
    assert cluster.broker().ping()
    address = cluster.server("valkey").address
    with pytest.raises(redis.ConnectionError):
        connect(address, port=6390).ping()
    with pytest.raises(redis.ConnectionError):
        connect(address).ping()


def test_the_names_of_the_collection_are_not_in_etc_hosts(cluster: Cluster) -> None:
    for host in cluster.hosts():
        assert not re.search(r" (postgres|valkey)$", host.check_output("cat /etc/hosts"), re.MULTILINE), host


def test_the_check_of_the_broker_leaves_nothing_behind(cluster: Cluster) -> None:
    assert not [key for key in cluster.broker().scan_iter() if "lakehouse-check" in str(key)]
