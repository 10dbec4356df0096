"""Task logs are in object storage, old ones are removed, never that of a running task; services log JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import requests
from testlib import EXAMPLES, wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster

LOGS = "/var/log/airflow/worker"
SERVICE = "airflow-task-logs@worker"


def test_the_timers_run(cluster: Cluster) -> None:
    for host, services in (("control", ("dag-processor", "triggerer")), ("worker1", ("worker",))):
        for service in services:
            unit = cluster.host(host).unit(f"airflow-task-logs@{service}.timer")
            assert (unit["ActiveState"], unit["StopWhenUnneeded"]) == ("active", "yes"), service


def test_an_old_log_is_removed_and_that_of_a_running_task_stays(cluster: Cluster, airflow: Airflow) -> None:
    worker = cluster.host("worker1")
    run = airflow.trigger("lab_worker1", seconds=[30])
    run.wait_tasks("running", lambda tasks: any(task.state == "running" for task in tasks))
    find = f"find {LOGS}/dag_id=lab_worker1/run_id=%s -name '*.log'"
    log = wait_for("log", lambda: str(worker.run(find, run.run_id).stdout).strip())
    script = """
        mkdir -p %s
        cd %s
        touch 1.log 2.log
        touch -d '31 days ago' 1.log %s
        chown -R airflow-worker .
        systemctl start %s
    """

    def clean() -> str:
        """Clean with an old log of the running task, which may write to it in between."""
        worker.check_output(script, f"{LOGS}/old", f"{LOGS}/old", log, SERVICE)
        return worker.journal(SERVICE)

    wait_for("open log seen", clean, lambda journal: f"{log} stays: it is open" in journal, timeout=25)
    assert not worker.file(f"{LOGS}/old/1.log").exists
    assert worker.file(f"{LOGS}/old/2.log").exists
    assert worker.file(log).exists
    assert all(task.state == "success" for task in run.wait())


def test_the_oldest_logs_go_beyond_the_size(cluster: Cluster) -> None:
    worker = cluster.host("worker1")
    program = worker.unit(f"{SERVICE}.service")["ExecStart"].split("argv[]=")[1].split(" /var/log")[0]
    directory = "/run/lab-logs"
    worker.check_output(
        f"mkdir -p {directory} && cd {directory} && for n in 1 2 3; do head -c 2M /dev/zero >$n.log; done"
        " && touch -d '3 days ago' 2.log && touch -d '2 days ago' 1.log"
    )
    worker.check_output(f"{program} {directory} 0 {3 << 20}")
    assert worker.check_output(f"ls {directory}").split() == ["3.log"]
    worker.check_output(f"rm -r {directory}")


def test_a_log_is_read_from_the_object_storage(cluster: Cluster, airflow: Airflow) -> None:
    assert cluster.variable("airflow_environment_logs", None) == EXAMPLES["airflow_environment_logs"]
    run = airflow.trigger("lab_where")
    (task,) = run.wait()
    local = f"{LOGS}/dag_id=lab_where/run_id={run.run_id}"
    cluster.host("worker1").check_output("rm -r %s", local)
    assert "This line was written on worker1" in run.log(task)
    bucket = f"http://{cluster.host('servers').address}:9000/airflow-logs"
    keys = requests.get(bucket, params={"prefix": "tasks/dag_id=lab_where/"}, timeout=20).text
    assert f"run_id={run.run_id}/task_id=where/attempt=1.log" in keys


def test_the_services_log_lines_of_json(cluster: Cluster) -> None:
    for host, unit in (
        ("control", "airflow-scheduler"),
        ("control", "airflow-dag-processor"),
        ("worker1", "airflow-worker"),
    ):
        lines = (
            cluster.host(host)
            .check_output("journalctl --output cat --lines 500 --unit %s", unit)
            .splitlines()
        )
        events = []
        for line in lines:
            # Some libraries write by themselves.
            with suppress(ValueError):
                events.append(json.loads(line)["event"])
        assert events, f"{unit}: {lines[-5:]}"
