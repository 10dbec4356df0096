"""The state of a cluster, from what its hosts have collected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow_status import age, answer, report, screen, seconds, settings, size

NOW = 1_800_000_000
UNITS = {
    "airflow-scheduler": ["control1"],
    "postgresql@*": ["control1"],
    "airflow-worker": ["worker1", "worker2"],
}
WORKERS = ["worker1", "worker2"]


def unit(name: str, **other: Any) -> dict[str, Any]:
    found = {"name": name, "state": "active", "result": "success", "enabled": "enabled", "oneshot": False}
    return {
        **found,
        "since": NOW - 90,
        "started": NOW - 90,
        "restarts": 0,
        "environment": "",
        "outdated": False,
        **other,
    }


def host(*units: dict[str, Any], **other: Any) -> dict[str, Any]:
    found = {
        "time": NOW,
        "debian": "13",
        "load": 0.5,
        "environment": "3.3.2-aaa",
        "dags": "ddd",
        "drained": False,
        "units": list(units),
        "disks": [{"path": "/", "bytes": 100, "free": 50}],
        "memory": {"bytes": 1024, "free": 512},
        "packages": {},
        "certificates": [],
        "components": None,
        "database": None,
        "monitor": None,
        "backup": None,
    }
    return {**found, **other}


def worker(**other: Any) -> dict[str, Any]:
    return {
        "active": 1,
        "slots": 4,
        "queues": ["default", "host.w"],
        "drained": False,
        "problem": None,
        **other,
    }


def monitor(**other: Any) -> dict[str, Any]:
    return {
        "age": 1,
        "problems": {},
        "workers": {name: worker() for name in WORKERS},
        "queues": {"default": 3},
        **other,
    }


def cluster(**hosts: Any) -> dict[str, Any]:
    """Return what a healthy cluster gives, but for some of its hosts."""
    database = {
        "tasks": {"running": 2},
        "runs": {},
        "oldest_queued": None,
        "bytes": 2048,
        "version": "Airflow 3.3.2",
    }
    components = dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")
    control = host(
        unit("airflow-scheduler"),
        unit("postgresql@17-main"),
        unit("airflow-worker-health", state="inactive", oneshot=True),
        database=database,
        components=components,
        monitor=monitor(),
    )
    found: dict[str, Any] = {"control1": control, **{name: host(unit("airflow-worker")) for name in WORKERS}}
    found.update(
        {name: value if value is None else {**found[name], **value} for name, value in hosts.items()}
    )
    return {"hosts": found, "units": UNITS, "workers": WORKERS}


def failed(given: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = report(given)
    problems = [item for item in found["checks"] if item["state"] != "ok"]
    assert found["healthy"] is (not problems)
    lines = screen(found)
    for item in problems:
        assert f"  FAILED {item['host']}: {item['check']}: {item['message']}" in lines
    return [(item["check"], item["host"], item["message"]) for item in problems]


def test_a_healthy_cluster() -> None:
    assert failed(cluster()) == []
    found = report(cluster())
    assert found["slots"] == {"busy": 2, "all": 8}
    text = "\n".join(screen(found))
    assert text.startswith("healthy, 3 of 3 hosts, 2027-01-15 08:00:00 UTC\n")
    assert "TASKS         2 running, 0 queued, 0 scheduled; DAG runs: 0 running, 0 queued" in text
    assert "SLOTS         2 of 8 in use" in text
    assert "QUEUES        default 3" in text
    assert "LAST BACKUP   none" in text
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ({"worker2": None}, [("reachable", "worker2", "does not answer")]),
        ({"worker2": {"units": []}}, [("unit", "worker2", "airflow-worker is not installed")]),
        (
            {"worker2": {"units": [unit("airflow-worker", state="failed", result="oom-kill")]}},
            [
                ("unit", "worker2", "airflow-worker is failed"),
                ("unit", "worker2", "airflow-worker has failed: oom-kill"),
            ],
        ),
        ({"worker2": {"units": [unit("airflow-worker", state="inactive")], "drained": True}}, []),
        (
            {
                "worker2": {
                    "units": [
                        unit("airflow-worker"),
                        unit("airflow-housekeeping", state="failed", result="exit-code"),
                    ]
                }
            },
            [("unit", "worker2", "airflow-housekeeping has failed: exit-code")],
        ),
        (
            {"worker2": {"units": [unit("airflow-worker", outdated=True)]}},
            [
                (
                    "settings",
                    "worker2",
                    "airflow-worker runs with older settings than its files have: run site.yml",
                )
            ],
        ),
        (
            {"worker2": {"units": {"error": "no systemd"}}},
            [("units", "worker2", "no systemd"), ("unit", "worker2", "airflow-worker is not installed")],
        ),
        (
            {"worker2": {"disks": [{"path": "/var", "bytes": 100, "free": 9}]}},
            [("disk", "worker2", "/var has 9 % free")],
        ),
        (
            {"worker2": {"certificates": [{"path": "/etc/airflow/a.pem", "end": NOW + 5 * 86400}]}},
            [("certificate", "worker2", "/etc/airflow/a.pem ends in 5 days: run site.yml")],
        ),
        (
            {"worker2": {"dags": "other"}},
            [("dags", "worker2", "has the DAGs other, most others ddd: run site.yml")],
        ),
        (
            {"worker2": {"environment": "3.3.2-bbb"}},
            [
                (
                    "environment",
                    "worker2",
                    "has the environment 3.3.2-bbb, most others 3.3.2-aaa: run site.yml",
                )
            ],
        ),
        # Its environment is made of another Debian.
        ({"worker2": {"environment": "3.3.2-bbb", "debian": "12"}}, []),
        (
            {"worker2": {"environment": "3.3.1-bbb", "debian": "12"}},
            [
                (
                    "version",
                    "cluster",
                    "several versions of Airflow: control1 3.3.2, worker1 3.3.2, worker2 3.3.1",
                )
            ],
        ),
        ({"control1": {"components": {"error": "refused"}}}, [("api_server", "control1", "refused")]),
        ({"control1": {"database": {"error": "no route"}}}, [("database", "control1", "no route")]),
        ({"control1": {"monitor": {"error": "no file"}}}, [("worker_monitor", "control1", "no file")]),
        (
            {"control1": {"monitor": monitor(age=31)}},
            [("worker_monitor", "control1", "has not written its status for 31 s")],
        ),
        (
            {
                "control1": {
                    "monitor": monitor(problems={"worker3": "takes tasks, and is not in the inventory"})
                }
            },
            [("unknown_worker", "worker3", "takes tasks, and is not in the inventory")],
        ),
        (
            {
                "control1": {
                    "monitor": monitor(
                        workers={"worker1": worker(problem="stopped"), "worker2": worker(drained=True)}
                    )
                }
            },
            [("worker", "worker1", "stopped")],
        ),
        (
            {"control1": {"monitor": monitor(workers={"worker1": worker(), "worker3": worker()})}},
            [
                (
                    "inventory",
                    "worker2",
                    "the worker monitor on control1 does not expect it: run site.yml",
                ),
                (
                    "inventory",
                    "worker3",
                    "not in it, and expected by the worker monitor on control1: run site.yml",
                ),
            ],
        ),
    ],
)
def test_each_problem_is_named_with_its_host(
    hosts: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    assert failed(cluster(**hosts)) == expected


PRIMARY = {"role": "master", "connected_slaves": "2"}
REPLICA = {"role": "slave", "master_host": "192.0.2.1", "master_link_status": "up"}
LOST = {**REPLICA, "master_link_status": "down"}


@pytest.mark.parametrize(
    ("brokers", "expected"),
    [
        ([PRIMARY, REPLICA, REPLICA], []),
        (
            [PRIMARY, LOST, REPLICA],
            [("broker", "worker1", "does not reach 192.0.2.1")],
        ),
        ([PRIMARY, REPLICA, PRIMARY], [("broker", "cluster", "has 2 primaries: control1, worker2")]),
        (
            [LOST] * 3,
            [
                *(
                    ("broker", host, "does not reach 192.0.2.1")
                    for host in ("control1", "worker1", "worker2")
                ),
                ("broker", "cluster", "has 0 primaries: none"),
            ],
        ),
        (
            [PRIMARY, {"error": "refused"}, REPLICA],
            [("broker", "worker1", "does not say whether it is the primary or a replica")],
        ),
    ],
)
def test_several_brokers_have_one_primary(
    brokers: list[dict[str, str]], expected: list[tuple[str, str, str]]
) -> None:
    hosts = dict(zip(("control1", "worker1", "worker2"), brokers, strict=True))
    given = cluster(**{name: {"broker": found} for name, found in hosts.items()})
    assert failed(given) == expected


def member(name: str, role: str, state: str) -> dict[str, str]:
    return {"name": name, "role": role, "state": state}


LEADER = member("control1", "Leader", "running")
STANDBYS = [member("worker1", "Sync Standby", "streaming"), member("worker2", "Replica", "streaming")]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([LEADER, *STANDBYS], []),
        (
            [LEADER, STANDBYS[0], member("worker2", "Replica", "start failed")],
            [("postgresql", "worker2", "start failed")],
        ),
        (
            [LEADER, member("worker1", "Replica", "streaming"), STANDBYS[1]],
            [("postgresql", "cluster", "no standby has what is committed: a failover is not possible")],
        ),
        (
            [member("control1", "Replica", "running"), *STANDBYS],
            [("postgresql", "cluster", "has no primary")],
        ),
        ([LEADER, STANDBYS[0]], [("postgresql", "worker2", "is no member: journalctl -u patroni")]),
    ],
)
def test_several_databases_have_one_primary_and_a_standby_that_has_all(
    members: list[dict[str, str]], expected: list[tuple[str, str, str]]
) -> None:
    given = cluster(**{name: {"members": members} for name in ("control1", "worker1", "worker2")})
    assert failed(given) == expected


def test_a_database_whose_patroni_does_not_answer_is_named() -> None:
    found = {"members": [LEADER, *STANDBYS]}
    given = cluster(control1=found, worker1=found, worker2={"members": {"error": "etcd is not there"}})
    assert failed(given) == [("postgresql", "worker2", "etcd is not there")]


def test_without_an_inventory_its_workers_are_not_compared() -> None:
    given = cluster(control1={"monitor": monitor(workers={"worker3": worker()})})
    del given["workers"]
    assert failed(given) == []


def test_a_cluster_of_which_no_host_answers() -> None:
    given = cluster(control1=None, worker1=None, worker2=None)
    assert {check for check, _host, _message in failed(given)} == {"reachable"}


def test_the_answer_of_a_host_is_found_behind_a_warning() -> None:
    assert answer({"stdout": 'sudo: unable to resolve host\r\n{"time": 1}\r\n', "rc": 0}) == {"time": 1}
    assert answer({"unreachable": True, "msg": "timed out"}) is None


def test_settings_are_read_as_systemd_does(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_status.SETTINGS", tmp_path)
    (tmp_path / "worker.env").write_text(
        '# a comment\nAIRFLOW_HOME=/var\nA="b \\"c\\" d=e"\n', encoding="utf-8"
    )
    assert settings("worker") == {"AIRFLOW_HOME": "/var", "A": 'b "c" d=e'}
    assert settings("flower") == {}


def test_times_and_sizes() -> None:
    assert [age(5), age(65), age(7260), age(90000)] == ["5 s", "1 min 5 s", "2 h 1 min", "1 d 1 h"]
    assert [size(5), size(2048), size(3 << 40)] == ["5 B", "2 KiB", "3.0 TiB"]
    assert [seconds("@12"), seconds(""), seconds("n/a")] == [12, 0, 0]


def test_of_a_replica_alone_the_primary_is_elsewhere() -> None:
    """As airflow-status on its host, or status.yml with --limit, sees it."""
    assert failed(cluster(control1={"broker": REPLICA})) == []
