"""No message in the broker is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import run_playbook, wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower


def test_a_task_without_a_worker_for_its_queue_stays_queued(cluster: Cluster, airflow: Airflow) -> None:
    assert not cluster.workers("heavy")
    broker = cluster.broker()
    run = airflow.trigger("lab_queues")
    try:
        wait_for("message in the queue heavy", lambda: broker.llen("heavy"))
        run.wait_tasks("light succeeded", lambda tasks: any(task.state == "success" for task in tasks))
        assert run.task("light").outcome == ("success", 1)
        assert (run.task("heavy").state, run.task("heavy").hostname) == ("queued", "")
        assert broker.llen("heavy") == 1
    finally:
        run.mark_failed()
        cluster.one("valkey").check_output("valkey-admin DEL heavy")


def test_a_restart_of_valkey_loses_no_task(cluster: Cluster, airflow: Airflow, flower: Flower) -> None:
    """Restart Valkey while all tasks are queued, and again while some run and the others are queued."""
    valkey, (worker,) = cluster.one("valkey"), cluster.workers("default")
    broker = cluster.broker()
    worker.check_output("systemctl stop airflow-worker")
    try:
        run = airflow.trigger("lab_spread")
        wait_for("all messages queued", lambda: broker.llen("default"), lambda queued: queued == 6)
        valkey.check_output("systemctl restart valkey-server")
        assert broker.llen("default") == 6
    finally:
        worker.check_output("systemctl start airflow-worker")
    run.wait_tasks("tasks running", lambda tasks: any(task.state == "running" for task in tasks))
    valkey.check_output("systemctl restart valkey-server")

    tasks = run.wait()
    assert [task.outcome for task in tasks] == [("success", 1)] * 6
    flower.wait_online(worker.name)


def test_what_an_interrupted_run_has_not_applied_is_applied(cluster: Cluster) -> None:
    """Such a run leaves the copy of the file before behind, which is the mechanism."""
    valkey = cluster.one("valkey")
    copy = "/etc/valkey/lakehouse.conf.1.2026-01-01@00:00:00~"
    read = "valkey-admin CONFIG GET maxmemory"
    configured = valkey.check_output(read)
    valkey.check_output(f"cp /etc/valkey/lakehouse.conf '{copy}' && valkey-admin CONFIG SET maxmemory 123mb")
    run_playbook(cluster.inventory, "valkey").assert_success()
    assert valkey.check_output(read) == configured
    assert not valkey.file(copy).exists
