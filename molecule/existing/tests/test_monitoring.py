"""A Prometheus scrapes the cluster with the files of docs/monitoring, and tells of a worker that is gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from testlib import EXAMPLES, PROJECT, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Cluster

DIRECTORY = PROJECT / "docs" / "monitoring"
TARGETS = {
    ("airflow-nodes", "control:9100"),
    ("airflow-nodes", "worker1:9100"),
    ("airflow-flower", "control:5555"),
}
# Those of servers that exist already are the company's.
SERVERS = ("pg_", "redis_")


class Prometheus:
    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=20)
        assert answer.ok, f"{expression}: {answer.text}"
        return list(answer.json()["data"]["result"])

    def series(self, expression: str, *labels: str) -> set[tuple[str, ...]]:
        """Return the labels of what an expression gives."""
        return {tuple(found["metric"].get(label, "") for label in labels) for found in self.query(expression)}


@pytest.fixture
def prometheus(cluster: Cluster) -> Prometheus:
    found = Prometheus(f"http://{cluster.host('servers').address}:9090")
    wait_for(
        "all targets are up", lambda: found.series("up == 1", "job", "instance"), lambda up: up >= TARGETS
    )
    return found


def test_airflow_sends_its_own_metrics(cluster: Cluster) -> None:
    assert cluster.variable("airflow_environment_metrics", None) == EXAMPLES["airflow_environment_metrics"]
    receiver = Prometheus(f"http://{cluster.host('servers').address}:8428")
    sent = {
        "airflow_scheduler_heartbeat_total",
        "airflow_dag_processor_heartbeat_total",
        "airflow_pool_open_slots",
    }
    names = '{__name__=~"airflow_.+"}'
    wait_for(
        "metrics of Airflow",
        lambda: receiver.series(names, "__name__"),
        lambda found: {(name,) for name in sent} <= found,
    )


@pytest.fixture
def _stopped_worker(cluster: Cluster) -> Iterator[None]:
    worker = cluster.host("worker1")
    worker.check_output("systemctl stop airflow-worker")
    yield
    worker.check_output("systemctl start airflow-worker")
    cluster.wait_healthy()


def test_the_rules_pass_their_tests(cluster: Cluster) -> None:
    servers = cluster.host("servers")
    servers.check_output("promtool check config /etc/prometheus/prometheus.yml")
    servers.check_output("cd /etc/prometheus/airflow/tested && promtool test rules alerts_test.yml")


def test_every_rule_has_a_test() -> None:
    rules = yaml.safe_load((DIRECTORY / "alerts.yml").read_text(encoding="utf-8"))
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((DIRECTORY / "alerts_test.yml").read_text(encoding="utf-8"))
    assert {test["name"] for test in tests["tests"]} == names


def test_the_worker_monitor_tells_of_workers_queues_and_broker(prometheus: Prometheus) -> None:
    assert prometheus.series("airflow_worker_healthy == 1", "worker") == {("worker1",)}
    assert prometheus.series("airflow_queue_messages == 0", "queue") == {("default",), ("host.worker1",)}
    assert prometheus.series("airflow_broker_up == 1", "instance") == {("control:9100",)}
    assert prometheus.series("flower_worker_online == 1", "worker") == {("celery@worker1",)}


def test_the_panels_of_the_dashboard_show_something(prometheus: Prometheus) -> None:
    dashboard = json.loads((DIRECTORY / "dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(expressions) > 10
    for expression in expressions:
        # "rate" has to see a metric twice.
        shown = expression.replace("$__rate_interval", "30s")
        if not any(prefix in expression for prefix in SERVERS):
            wait_for(shown, lambda shown=shown: prometheus.query(shown))  # type: ignore[misc]
        else:
            prometheus.query(shown)


@pytest.mark.usefixtures("_stopped_worker")
def test_a_missing_worker_is_told(prometheus: Prometheus) -> None:
    """Within the timeout of the worker monitor; Prometheus then waits as long as the rule says."""

    def alerts() -> set[tuple[str, ...]]:
        return prometheus.series("ALERTS", "alertname", "worker")

    wait_for(
        "alert",
        alerts,
        lambda found: {("AirflowWorkerUnhealthy", "worker1"), ("AirflowNoWorker", "")} <= found,
    )
    wait_for(
        "the alert fires",
        lambda: prometheus.series('ALERTS{alertstate="firing"}', "alertname", "worker"),
        lambda found: ("AirflowWorkerUnhealthy", "worker1") in found,
    )
