"""Each playbook runs alone, under --limit and by tags, and touches nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from testlib import run_command

if TYPE_CHECKING:
    from testlib import Cluster, Result

TASK = re.compile(r"^TASK \[(?:lakehouse[.]airflow[.])?(?P<role>\w+) : (?P<task>.+)\]", re.MULTILINE)


def playbook(cluster: Cluster, name: str, *args: str) -> Result:
    return run_command("ansible-playbook", f"--inventory={cluster.inventory}", *args, name)


def roles(result: Result) -> set[str]:
    """Return the roles of which a task ran, apart from the checks of variables."""
    return {
        match["role"] for match in TASK.finditer(result.output) if not match["task"].startswith("Validating")
    }


# Those that read facts; site.yml runs the others in the same way.
@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("postgres", "postgres"),
        ("valkey", "valkey"),
        ("webservers", "airflow_service"),
        ("workers", "airflow_service"),
    ],
)
def test_a_tier_runs_alone(cluster: Cluster, name: str, role: str) -> None:
    done = playbook(cluster, f"playbooks/{name}.yml").assert_success()
    assert set(done.changed.values()) == {0}
    assert role in roles(done)


def test_one_worker_runs_alone(cluster: Cluster) -> None:
    done = playbook(cluster, "site.yml", "--limit=worker1").assert_success()
    assert done.changed == {"worker1": 0}
    assert "airflow_runtime" in roles(done)


def test_a_tag_runs_one_tier(cluster: Cluster) -> None:
    done = playbook(cluster, "site.yml", "--tags=workers").assert_success()
    assert roles(done) >= {"preflight", "airflow_service"}
    assert not roles(done) & {"postgres", "airflow_runtime", "airflow_dags", "airflow_flower"}
    assert "Run airflow-worker" in done.output
    assert "Run airflow-scheduler" not in done.output


def test_tags_can_be_skipped(cluster: Cluster) -> None:
    done = playbook(cluster, "site.yml", "--skip-tags=validate,verify,install").assert_success()
    assert set(done.changed.values()) == {0}
    assert "Check memory" not in done.output
    assert not roles(done) & {"airflow_runtime"}
    assert "Wait until the control plane is healthy" not in done.output
    assert "Run airflow-scheduler" in done.output


def test_check_mode_finds_nothing_to_change(cluster: Cluster) -> None:
    done = playbook(cluster, "site.yml", "--check").assert_success()
    assert set(done.changed.values()) == {0}


def test_verify_fails_while_a_worker_is_stopped(cluster: Cluster) -> None:
    worker = cluster.host("worker1")
    playbook(cluster, "playbooks/verify.yml").assert_success()
    worker.check_output("systemctl stop airflow-worker")
    try:
        failed = playbook(cluster, "playbooks/verify.yml", "--extra-vars=airflow_ready_timeout=5")
    finally:
        worker.check_output("systemctl start airflow-worker")
    assert failed.returncode != 0
    assert (
        "no reply from: celery@worker1" in failed.text
        or "worker1" in failed.text.partition("Wait until Flower lists every worker")[2]
    )
