"""A worker is known by its inventory name; the host name of worker2 is node-b."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower, Host


@pytest.fixture
def worker(cluster: Cluster) -> Host:
    worker = cluster.host("worker2")
    assert worker.check_output("hostname") == "node-b"
    return worker


def test_flower_lists_the_worker(flower: Flower, worker: Host) -> None:
    assert f"celery@{worker.name}" in flower.online()
    assert "celery@node-b" not in flower.online()


def test_the_worker_reads_the_queue_of_its_name(flower: Flower, worker: Host) -> None:
    assert flower.queues(worker.name) == {"heavy", f"host.{worker.name}"}


def test_the_worker_monitor_reports_the_worker(cluster: Cluster, worker: Host) -> None:
    assert worker.name in cluster.worker_status()["workers"]


def test_a_task_is_on_the_worker_and_its_log_can_be_read(airflow: Airflow, worker: Host) -> None:
    run = airflow.trigger("lab_queues")
    run.wait()
    task = run.task("heavy")
    assert (task.outcome, task.hostname) == (("success", 1), worker.name)
    assert f"This line was written on {worker.name}" in run.log(task)
