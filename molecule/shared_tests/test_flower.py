"""Flower shows every worker, and Flower, API and broker demand a login."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower

BROKER_CLIENT = "import redis, sys; redis.Redis.from_url(sys.argv[1], protocol=2).llen('default')"


def status(url: str, **auth: tuple[str, str]) -> int:
    return requests.get(url, timeout=20, **auth).status_code  # type: ignore[arg-type]


def test_every_worker_is_in_flower_under_its_inventory_name(cluster: Cluster, flower: Flower) -> None:
    assert flower.online() == {f"celery@{host.name}" for host in cluster.hosts("workers")}


def test_every_worker_reads_its_queues(cluster: Cluster, flower: Flower) -> None:
    for host in cluster.hosts("workers"):
        queues = host.variables.get("airflow_worker_queues", ["default"])
        assert flower.queues(host.name) == {*queues, f"host.{host.name}"}


@pytest.mark.parametrize("path", ["/", "/workers", "/api/workers", "/api/tasks"])
def test_flower_refuses_unauthenticated_clients(flower: Flower, path: str) -> None:
    assert status(flower.url + path) == 401
    assert status(flower.url + path, auth=("flower", "flower")) == 401


@pytest.mark.parametrize("path", ["dags", "config", "connections", "variables"])
def test_the_api_refuses_unauthenticated_clients(airflow: Airflow, path: str) -> None:
    assert status(f"{airflow.url}/api/v2/{path}") == 401


def test_the_api_refuses_a_wrong_password(airflow: Airflow) -> None:
    with pytest.raises(requests.HTTPError, match="401"):
        airflow.token("admin", "admin")


def test_the_broker_refuses_unauthenticated_clients(cluster: Cluster) -> None:
    """From a host that its firewall lets in."""
    host = cluster.one("flower")
    url = re.sub("//.*@", "//", host.environment("airflow-flower")["AIRFLOW__CELERY__BROKER_URL"])
    refused = host.run("/opt/airflow/current/bin/python -c %s %s", BROKER_CLIENT, url)
    assert refused.rc != 0
    assert "AuthenticationError: Authentication required" in refused.stderr
