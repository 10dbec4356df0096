"""Each playbook runs alone, under --limit and by tags, and touches nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import run_playbook, run_site

if TYPE_CHECKING:
    from testlib import Cluster, Result


def ran(result: Result, *tasks: str) -> list[str]:
    """Return which of the tasks ran."""
    return [task for task in tasks if f" : {task}]" in result.output]


# Those that read facts; site.yml runs the others in the same way.
@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("postgres", "Configure and start PostgreSQL"),
        ("valkey", "Template lakehouse.conf"),
        ("webservers", "Run airflow-api-server"),
        ("workers", "Run airflow-worker"),
    ],
)
def test_a_tier_runs_alone(cluster: Cluster, name: str, task: str) -> None:
    done = run_playbook(cluster.inventory, name).assert_success()
    assert set(done.changed.values()) == {0}
    assert ran(done, task, "Check the host", "Run airflow-scheduler") == [task, "Check the host"]


def test_one_worker_runs_alone(cluster: Cluster) -> None:
    done = run_site(cluster.inventory, "--limit=worker1").assert_success()
    assert done.changed == {"worker1": 0}
    assert ran(done, "Look for the runtime", "Run airflow-worker")


def test_a_tag_runs_one_tier(cluster: Cluster) -> None:
    done = run_site(cluster.inventory, "--tags=workers").assert_success()
    tasks = ["Check the host", "Run airflow-worker", "Run airflow-scheduler", "Look for the DAGs"]
    assert ran(done, *tasks) == tasks[:2]


def test_tags_can_be_skipped(cluster: Cluster) -> None:
    done = run_site(cluster.inventory, "--skip-tags=validate,verify,install").assert_success()
    assert set(done.changed.values()) == {0}
    skipped = ["Check the host", "Look for the runtime", "Wait until the control plane is healthy"]
    assert ran(done, *skipped, "Run airflow-scheduler") == ["Run airflow-scheduler"]


def test_check_mode_finds_nothing_to_change(cluster: Cluster) -> None:
    done = run_site(cluster.inventory, "--check").assert_success()
    assert set(done.changed.values()) == {0}


def test_verify_fails_while_a_worker_is_stopped(cluster: Cluster) -> None:
    worker = cluster.host("worker1")
    run_playbook(cluster.inventory, "verify").assert_success()
    worker.check_output("systemctl stop airflow-worker")
    try:
        failed = run_playbook(cluster.inventory, "verify", "--extra-vars=airflow_ready_timeout=5")
    finally:
        worker.check_output("systemctl start airflow-worker")
    assert failed.returncode != 0
    assert (
        "no reply from: celery@worker1" in failed.text
        or "worker1" in failed.text.partition("Wait until Flower lists every worker")[2]
    )
