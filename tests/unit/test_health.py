"""The report names each check with its host, whatever its result is."""

from __future__ import annotations

from typing import Any

from filter.health import drained_workers, health_report, health_summary, missing_workers, unknown_workers

ROLES = {"webservers": ["web1", "web2"], "flower": ["flower1"], "workers": ["worker1", "worker2"]}
WORKERS = ROLES["workers"]
HOSTS = ["web1", "web2", "flower1"]
PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
HEALTHY = {"json": {part: {"status": "healthy"} for part in PARTS}}
LISTED = {"json": {f"celery@{worker}": True for worker in WORKERS}}


def hostvars(**results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of the hosts of a healthy cluster, with other results of some."""
    found: dict[str, dict[str, Any]] = {
        "web1": {"__airflow_api_server_health": HEALTHY},
        "web2": {"__airflow_api_server_health": HEALTHY},
        "flower1": {"__airflow_flower_workers": LISTED, "__airflow_worker_monitor_ping": {"rc": 0}},
        "worker1": {},
        "worker2": {},
    }
    for host, variables in results.items():
        found[host] = {**found[host], **variables}
    return found


def failed(**results: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return check, host and message of those that are not ok."""
    report = health_report(HOSTS, hostvars(**results), WORKERS, WORKERS, ROLES)
    found = {
        (check["check"], check["host"], check["message"])
        for check in report["checks"]
        if check["state"] != "ok"
    }
    assert report["healthy"] is (not found)
    return found


def test_a_healthy_cluster() -> None:
    report = health_report(HOSTS, hostvars(), WORKERS, WORKERS, ROLES)
    assert report["healthy"]
    assert {"check": "scheduler", "host": "web2", "state": "ok", "message": "healthy"} in report["checks"]
    assert len(report["checks"]) == 2 * 5 + 1 + 2 + 2
    assert health_summary(report)[0] == "api_server: 2 ok"


def test_an_unhealthy_component() -> None:
    answer = {
        "json": {**HEALTHY["json"], "triggerer": {"status": "unhealthy"}, "scheduler": {"status": None}}
    }
    assert failed(web1={"__airflow_api_server_health": {**answer, "failed": True}}) == {
        ("triggerer", "web1", "unhealthy"),
        ("scheduler", "web1", "None"),
    }


def test_a_server_that_does_not_answer() -> None:
    refused = {"failed": True, "msg": "Task failed: Connection refused"}
    assert failed(web1={"__airflow_api_server_health": refused}) == {
        ("api_server", "web1", "Connection refused")
    }
    unknown = "unknown, Flower does not answer"
    assert failed(flower1={"__airflow_flower_workers": refused}) == {
        ("flower", "flower1", "Connection refused"),
        ("flower_lists_worker", "worker1", unknown),
        ("flower_lists_worker", "worker2", unknown),
    }


def test_hosts_that_cannot_be_reached_or_were_lost_before() -> None:
    report = health_report(
        ["web2", "web1"],
        {
            **hostvars(web1={"__airflow_api_server_health": {"unreachable": True, "msg": "timeout"}}),
            "web2": {},
        },
        WORKERS,
        WORKERS,
        ROLES,
    )
    assert [(check["host"], check["message"]) for check in report["checks"]] == [
        ("web2", "left out of this run before it was asked"),
        ("web1", "timeout"),
    ]


def test_workers() -> None:
    listed = {"failed": True, "json": {"celery@worker1": True, "celery@worker2": False}}
    ping = {"failed": True, "rc": 1, "stderr": "no reply from: celery@worker1, celery@worker3"}
    results = {"__airflow_flower_workers": listed, "__airflow_worker_monitor_ping": ping}
    assert failed(flower1=results) == {
        ("flower_lists_worker", "worker2", "not online"),
        ("worker_answers_ping", "worker1", "no reply"),
    }


def test_a_ping_that_fails_itself() -> None:
    ping = {"failed": True, "rc": 1, "stderr": "Traceback\nConnectionError: broker\n"}
    assert failed(flower1={"__airflow_worker_monitor_ping": ping}) == {
        ("worker_answers_ping", worker, "ConnectionError: broker") for worker in WORKERS
    }


def test_a_worker_that_the_run_has_left_out() -> None:
    variables = hostvars(worker2={"__preflight_facts": {"unreachable": True}})
    report = health_report(HOSTS, variables, ["worker1"], WORKERS, ROLES)
    assert not report["healthy"]
    assert health_summary(report)[-2:] == [
        "worker_answers_ping: 1 ok",
        "reachable: FAILED worker2 (unreachable, left out)",
    ]


def test_the_summary_groups_hosts_by_problem() -> None:
    checks = [
        {"check": "ping", "host": host, "state": state, "message": message}
        for host, state, message in [("a", "ok", ""), ("b", "failed", "late"), ("c", "failed", "late")]
    ]
    assert health_summary({"checks": checks}) == ["ping: 1 ok; FAILED b, c (late)"]


def test_a_drained_worker_is_no_problem_and_named() -> None:
    variables = hostvars(
        flower1={
            "__airflow_flower_workers": {"json": {"celery@worker1": True, "celery@worker2": False}},
            "__airflow_worker_monitor_ping": {"rc": 0, "stdout_lines": ["drained: worker2"]},
        }
    )
    report = health_report(HOSTS, variables, WORKERS, WORKERS, ROLES)
    assert report["healthy"]
    assert "drained: worker2" in health_summary(report)
    assert "flower_lists_worker: 1 ok" in health_summary(report)


def test_a_worker_that_the_inventory_does_not_have() -> None:
    listed = {
        "json": {"celery@worker1": True, "celery@worker2": True, "celery@old": True, "celery@older": False}
    }
    assert {
        (name, host) for name, host, _message in failed(flower1={"__airflow_flower_workers": listed})
    } == {("unknown_worker", "old")}


def test_missing_and_unknown_workers() -> None:
    listed = {"celery@worker1": True, "celery@worker2": False, "celery@other": True}
    assert missing_workers(["worker3", "worker2", "worker1"], listed) == ["worker2", "worker3"]
    assert unknown_workers(listed, ["worker1", "worker2"]) == ["other"]


def test_drained_workers_of_a_ping_that_was_not_run() -> None:
    assert drained_workers({}) == []
    assert drained_workers({"stdout_lines": ["drained: a", "other"]}) == ["a"]
