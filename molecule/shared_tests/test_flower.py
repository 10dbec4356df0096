"""Flower on port 5555, and who gets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from testlib import Broker

if TYPE_CHECKING:
    from testlib import Airflow, Flower, Lab


def status(url: str, **auth: tuple[str, str]) -> int:
    return requests.get(url, timeout=20, **auth).status_code  # type: ignore[arg-type]


def test_every_worker_is_in_flower_under_its_host_name(lab: Lab, flower: Flower) -> None:
    assert flower.online() == {f"celery@{host.name}" for host in lab.hosts("workers")}


def test_every_worker_reads_its_queues(lab: Lab, flower: Flower) -> None:
    workers = flower.workers()
    for host in lab.hosts("workers"):
        queues = {queue["name"] for queue in workers[f"celery@{host.name}"]["active_queues"]}
        assert queues == {*host.variables.get("airflow_worker_queues", ["default"]), f"host.{host.name}"}


@pytest.mark.parametrize("path", ["/", "/workers", "/api/workers", "/api/tasks"])
def test_flower_refuses_without_login(flower: Flower, path: str) -> None:
    assert status(flower.url + path) == 401
    assert status(flower.url + path, auth=("flower", "flower")) == 401


@pytest.mark.parametrize("path", ["dags", "config", "connections", "variables"])
def test_the_api_refuses_without_login(airflow: Airflow, path: str) -> None:
    assert status(f"{airflow.url}/api/v2/{path}") == 401


def test_the_api_refuses_a_wrong_password(airflow: Airflow) -> None:
    with pytest.raises(requests.HTTPError, match="401"):
        airflow.token("admin", "admin")


def test_the_broker_refuses_without_login(lab: Lab) -> None:
    broker = Broker(lab.one("valkey").address)
    with pytest.raises(PermissionError, match="NOAUTH"):
        broker.queued("default")
