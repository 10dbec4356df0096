"""The Debian packages of one host after the other, and reboots that are due, while tasks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import Stream, run_playbook, wait_for
from testlib.reboot import boot, started_again

if TYPE_CHECKING:
    from testlib import Cluster

LIMIT = "--limit=control2,worker1"


def test_hosts_are_rebooted_one_after_the_other_and_no_task_is_lost(cluster: Cluster) -> None:
    hosts = [cluster.host("control2"), cluster.host("worker1")]
    other = cluster.host("worker2")
    for host in hosts:
        host.check_output("touch /run/reboot-required")
    before = {host.name: boot(host) for host in [*hosts, other]}
    with Stream(cluster, 20) as stream, started_again(cluster, *(host.name for host in hosts)):
        wait_for("tasks of the stream", lambda: len(stream.runs), lambda count: count >= 3)
        result = run_playbook(cluster.inventory, "update_hosts", LIMIT)
    result.assert_success()
    assert {host.name for host in [*hosts, other] if boot(host) != before[host.name]} == {
        "control2",
        "worker1",
    }
    assert cluster.host("worker1").unit("airflow-worker")["ActiveState"] == "active"
    stream.assert_none_lost()
    cluster.wait_healthy()


def test_a_host_without_updates_is_left_alone(cluster: Cluster) -> None:
    invocation = cluster.host("worker1").unit("airflow-worker")["InvocationID"]
    result = run_playbook(cluster.inventory, "update_hosts", LIMIT).assert_success()
    assert set(result.changed.values()) == {0}
    assert cluster.host("worker1").unit("airflow-worker")["InvocationID"] == invocation


def test_a_drained_worker_stays_drained(cluster: Cluster) -> None:
    worker = cluster.host("worker2")
    limit = f"--limit={worker.name}"
    run_playbook(cluster.inventory, "drain", limit).assert_success()
    worker.check_output("touch /run/reboot-required")
    with started_again(cluster, worker.name):
        run_playbook(cluster.inventory, "update_hosts", limit).assert_success()
    unit = worker.unit("airflow-worker")
    assert (unit["ActiveState"], unit["UnitFileState"]) == ("inactive", "disabled")
    run_playbook(cluster.inventory, "resume", limit).assert_success()
    cluster.wait_healthy()
