"""Flower shows every worker, and Flower, API and broker demand a login."""

from __future__ import annotations

import base64
import json
import re
import time
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


@pytest.mark.parametrize("path", ["/", "/workers", "/api/workers", "/api/tasks", "/metrics", "/healthcheck"])
def test_flower_refuses_unauthenticated_clients(flower: Flower, path: str) -> None:
    assert status(flower.url + path) == 401
    assert status(flower.url + path, auth=("flower", "flower")) == 401


def test_prometheus_and_probes_log_in(cluster: Cluster, flower: Flower) -> None:
    login = ("flower", cluster.secrets["airflow_flower_password"])
    answer = requests.get(f"{flower.url}/metrics", auth=login, timeout=20)
    assert answer.status_code == 200
    assert "flower_worker_online{" in answer.text
    assert status(f"{flower.url}/healthcheck", auth=login) == 200


@pytest.mark.parametrize("path", ["dags", "config", "connections", "variables"])
def test_the_api_refuses_unauthenticated_clients(airflow: Airflow, path: str) -> None:
    assert status(f"{airflow.url}/api/v2/{path}") == 401


def test_the_api_refuses_a_wrong_password(airflow: Airflow) -> None:
    with pytest.raises(requests.HTTPError, match="401"):
        airflow.token("admin", "admin")


@pytest.mark.parametrize("path", ["docs", "openapi.json", "execution/docs", "auth/docs", "api/v2/version"])
def test_the_api_is_described_to_those_who_are_logged_in(airflow: Airflow, path: str) -> None:
    assert status(f"{airflow.url}/{path}") == 401
    assert airflow.get(path).status_code == 200


def test_a_token_ends_with_a_days_work_and_a_login_overnight(airflow: Airflow, cluster: Cluster) -> None:
    payload = airflow.token("admin", cluster.secrets["airflow_admin_password"]).split(".")[1]
    token = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert token["exp"] - token["iat"] == 8 * 3600
    page = requests.get(f"{airflow.url}/auth/login/", timeout=20)
    (session,) = (cookie for cookie in page.cookies if cookie.name == "session")
    assert session.expires == pytest.approx(time.time() + 12 * 3600, abs=60)


def test_browsers_show_the_ui_in_no_foreign_frame(airflow: Airflow) -> None:
    for path in ("", "auth/login/", "api/v2/dags"):
        headers = requests.get(f"{airflow.url}/{path}", timeout=20).headers
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_broker_refuses_unauthenticated_clients(cluster: Cluster) -> None:
    """From a host that its firewall lets in."""
    host = cluster.one("flower")
    url = re.sub("//.*@", "//", host.environment("airflow-flower")["AIRFLOW__CELERY__BROKER_URL"])
    refused = host.run("/opt/airflow/current/bin/python -c %s %s", BROKER_CLIENT, url)
    assert refused.rc != 0
    assert "AuthenticationError: Authentication required" in refused.stderr
