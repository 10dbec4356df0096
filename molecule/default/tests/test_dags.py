"""DAGs are delivered by a playbook of their own, once they have been imported with the cluster's runtime."""

from __future__ import annotations

import json
import secrets
import shutil
from typing import TYPE_CHECKING

import pytest
from testlib import Airflow, Cluster, run_playbook, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testlib import Result

DAG = """
from airflow.sdk import DAG, task

with DAG("lab_delivered", schedule=None, is_paused_upon_creation=False):
    task(task_id="one")(lambda: None)()
"""
VIRTUALENV = """
from airflow.sdk import DAG, task

def say():
    import cowsay
    return cowsay.__version__

with DAG("lab_virtualenv", schedule=None, is_paused_upon_creation=False):
    first = task.virtualenv(task_id="first", requirements=["cowsay==6.1"])(say)()
    first >> task.virtualenv(task_id="second", requirements=["cowsay==6.1"])(say)()
"""
NEEDS = """
import os
from airflow.sdk import DAG

with DAG(os.environ["LAB_NEEDED"], schedule=None):
    pass
"""
BROKEN = "from airflow.sdk import DAG\nimport no_such_module\n"


@pytest.fixture
def source(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the delivered directory; at the end the hosts get the original again."""
    original = cluster.content["vars"]["airflow_dags_source"]
    copy = tmp_path / "dags"
    shutil.copytree(original, copy)
    yield copy
    deliver(cluster).assert_success()


def deliver(cluster: Cluster, *args: str) -> Result:
    return run_playbook(cluster.inventory, "dags", *args)


def releases(cluster: Cluster) -> set[str]:
    """Return the releases that the hosts with DAGs use."""
    hosts = {*cluster.hosts("schedulers"), *cluster.hosts("workers")}
    return {host.check_output("readlink --canonicalize /opt/airflow/dags") for host in hosts}


def test_a_changed_dag_is_delivered_and_runs(cluster: Cluster, airflow: Airflow, source: Path) -> None:
    (source / "delivered.py").write_text(DAG, encoding="utf-8")
    (source / "virtualenv.py").write_text(VIRTUALENV, encoding="utf-8")
    before = releases(cluster)
    worker = cluster.hosts("workers")[0]
    worker.check_output(
        "cd /opt/airflow/dag-releases && mkdir -p old1 old2 old3 old4 old5 && touch --date=yesterday old*"
    )
    done = deliver(cluster, f"--extra-vars=airflow_dags_source={source}").assert_success()
    assert len(releases(cluster)) == 1
    assert not before & releases(cluster)
    assert all(done.changed.values())
    kept = worker.check_output("ls /opt/airflow/dag-releases").split()
    assert {release.rpartition("/")[2] for release in before | releases(cluster)} < set(kept)
    assert len(kept) == 5
    wait_for("the DAG to be parsed", lambda: airflow.has_dag("lab_delivered"), timeout=90)
    (task,) = airflow.trigger("lab_delivered").wait()
    assert task.outcome == ("success", 1)
    assert_environments_are_made_in_a_second(airflow)


def assert_environments_are_made_in_a_second(airflow: Airflow) -> None:
    """The mechanism is uv on the path of the worker: pip takes more than ten seconds."""
    run = airflow.trigger("lab_virtualenv")
    assert [task.outcome for task in run.wait()] == [("success", 1)] * 2
    log = run.log(run.task("second"))
    assert "Executing cmd: uv venv" in log
    assert "Executing cmd: uv pip install" in log
    # With the package in the cache of uv; most of it is the start of two processes of Python.
    (seconds,) = (
        task["duration"]
        for task in airflow.call("GET", f"{run.path}/taskInstances")["task_instances"]
        if task["task_id"] == "second"
    )
    assert seconds < 8


def test_dags_that_cannot_be_imported_are_refused_with_file_and_line(cluster: Cluster, source: Path) -> None:
    """The mechanism is airflow_dags_import_check: without it the DAGs are delivered."""
    (source / "broken.py").write_text(BROKEN, encoding="utf-8")
    (source / "needs.py").write_text(NEEDS, encoding="utf-8")
    no_module = "broken.py:2: ModuleNotFoundError: No module named 'no_such_module'"
    no_variable = "needs.py:5: KeyError: 'LAB_NEEDED'"
    before, variable = releases(cluster), f"--extra-vars=airflow_dags_source={source}"
    refused = deliver(cluster, variable)
    assert refused.returncode != 0
    assert no_module in refused.text
    assert no_variable in refused.text
    assert "airflow_dags_import_check" in refused.text
    assert releases(cluster) == before

    # A second run must not take the release for a checked one. It has the variable that a DAG needs, and the
    # services do not: the mechanism is the standard input of the check, where nobody sees it.
    value = secrets.token_hex()
    environment = f"--extra-vars={json.dumps({'airflow_environment_lab': {'LAB_NEEDED': value}})}"
    refused = deliver(cluster, variable, environment, "-vvv", "--diff")
    assert refused.returncode != 0
    assert no_module in refused.text
    assert no_variable not in refused.text
    assert value not in refused.output
    for host in cluster.hosts():
        assert value not in host.check_output("journalctl --no-pager --output=json --all --since=-10min")
    assert releases(cluster) == before

    deliver(cluster, variable, "--extra-vars={airflow_dags_import_check: false}").assert_success()
    assert releases(cluster) != before
