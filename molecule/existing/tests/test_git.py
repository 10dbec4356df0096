"""DAG bundles in Git: by SSH and by HTTPS, a push is there soon, and a run keeps its commit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from testlib import EXAMPLES, wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Host
    from testlib.airflow_api import Run

KNOWN_HOSTS = "/etc/airflow/git_known_hosts"
# Each repository and where its DAGs are.
BUNDLES = {"warehouse": "dags/", "reports": ""}
DAG = """
from airflow.sdk import dag, task
{mistake}

@dag(schedule=None, dag_id="{name}", tags=["{tag}"], is_paused_upon_creation=False)
def build():
    @task
    def say():
        print("this is {tag}")

    say()


build()
"""
# refresh_interval, the checks of the DAG processor every 5 s, parsing.
SOON = 60


def push(servers: Host, name: str, tag: str, mistake: str = "") -> str:
    """Push a DAG that says a word, and return the commit."""
    script = """
        set -e
        cd /root/%s
        mkdir -p ./%s
        printf %%s %s >./%s/said.py
        git add .
        git commit --quiet --allow-empty --message %s
        git push --quiet origin HEAD:main
        chown -R git: /srv/git
        git rev-parse HEAD
    """
    directory = BUNDLES[name]
    text = DAG.format(name=f"git_{name}", tag=tag, mistake=mistake)
    return servers.check_output(script, name, directory, text, directory, tag).strip()


def tags(airflow: Airflow, name: str) -> list[str]:
    """Return the tags of the DAG that the API has."""
    if not airflow.has_dag(f"git_{name}"):
        return []
    return [tag["name"] for tag in airflow.call("GET", f"dags/git_{name}")["tags"]]


def wait_pushed(airflow: Airflow, name: str, tag: str) -> None:
    wait_for(
        f"{tag} of {name} pushed", lambda: tags(airflow, name), lambda found: found == [tag], timeout=SOON
    )


def finished(airflow: Airflow, run: Run) -> tuple[Any, str]:
    """Wait for a run of a DAG, and return its commit and what its task said."""
    (task,) = run.wait()
    assert task.state == "success", run.log(task)
    said = re.search(r"this is (\w+)", run.log(task))
    assert said, run.log(task)
    return airflow.call("GET", run.path)["bundle_version"], said[1]


def import_errors(airflow: Airflow, name: str) -> list[str]:
    errors = airflow.call("GET", "importErrors")["import_errors"]
    return [error["stack_trace"] for error in errors if error["bundle_name"] == name]


def test_the_example_of_the_documentation_is_the_one_tested(cluster: Cluster) -> None:
    def shown(value: Any) -> Any:
        """Return an example with the paths of this inventory."""
        return json.loads(json.dumps(value).replace("inventory_dir ~ '", f"'{cluster.directory}"))

    found = cluster.content["vars"]
    for name in ("airflow_dag_bundles", "airflow_git_known_hosts"):
        assert found[name] == shown(EXAMPLES[name])
    name = "AIRFLOW_CONN_WAREHOUSE_GIT"
    assert found["airflow_environment_git"][name] == shown(EXAMPLES["airflow_environment_git"][name])


@pytest.mark.parametrize("name", BUNDLES)
def test_a_push_is_there_soon_and_a_run_keeps_its_commit(
    cluster: Cluster, airflow: Airflow, name: str
) -> None:
    servers = cluster.host("servers")
    first = push(servers, name, "first")
    wait_pushed(airflow, name, "first")
    old = airflow.trigger(f"git_{name}")
    assert finished(airflow, old) == (first, "first")

    second = push(servers, name, "second")
    wait_pushed(airflow, name, "second")
    assert finished(airflow, airflow.trigger(f"git_{name}")) == (second, "second")

    # The older run runs the older commit again.
    body = {"dag_run_id": old.run_id, "dry_run": False, "only_failed": False}
    airflow.call("POST", f"dags/git_{name}/clearTaskInstances", body)
    old.wait_tasks("second try", lambda tasks: tasks[0].outcome == ("success", 2))
    assert finished(airflow, old) == (first, "first")


def test_a_broken_push_takes_no_history(cluster: Cluster, airflow: Airflow) -> None:
    servers = cluster.host("servers")
    push(servers, "reports", "good")
    wait_pushed(airflow, "reports", "good")
    run = airflow.trigger("git_reports")
    commit = finished(airflow, run)[0]

    push(servers, "reports", "broken", mistake="import no_such_module")
    errors = wait_for("import error", lambda: import_errors(airflow, "reports"), timeout=SOON)
    assert "No module named 'no_such_module'" in errors[0]
    assert airflow.call("GET", run.path)["bundle_version"] == commit
    assert finished(airflow, run)[1] == "good"
    # Nor is another bundle concerned.
    assert not import_errors(airflow, "warehouse")

    push(servers, "reports", "fixed")
    wait_pushed(airflow, "reports", "fixed")
    assert not import_errors(airflow, "reports")


def test_checkouts_are_in_the_directories_of_the_services(cluster: Cluster) -> None:
    for host, service in ((cluster.host("control"), "dag-processor"), (cluster.host("worker1"), "worker")):
        directory = f"/var/lib/airflow/{service}/dag_bundles"
        assert {*BUNDLES} <= {*host.check_output("ls %s", directory).split()}
        assert host.check_output("stat --format=%%U %s/warehouse", directory) == f"airflow-{service}"
        assert not host.file("/tmp/airflow").exists  # noqa: S108 - where Airflow has them by itself


@pytest.mark.parametrize("login", ["ssh", "https"])
def test_the_server_asks_for_the_login(cluster: Cluster, login: str) -> None:
    worker = cluster.host("worker1")
    number = ["ssh", "https"].index(login)
    url = cluster.content["vars"]["airflow_dag_bundles"][number]["kwargs"]["repo_url"]
    environment = "GIT_TERMINAL_PROMPT=0 GIT_SSL_CAINFO=/etc/ssl/company-ca.pem GIT_SSH_COMMAND=%s"
    ssh = f"ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={KNOWN_HOSTS}"
    result = worker.run(f"{environment} git ls-remote %s", ssh, url)
    assert result.rc != 0
    assert re.search(r"Permission denied|terminal prompts disabled", result.stderr), result.stderr


def test_a_server_with_another_key_is_refused(cluster: Cluster, airflow: Airflow) -> None:
    """A task does not fetch from a server whose key is not the one of the list."""
    servers, worker = cluster.host("servers"), cluster.host("worker1")
    push(servers, "warehouse", "unknown")
    wait_pushed(airflow, "warehouse", "unknown")
    key = servers.check_output("cut -d' ' -f1,2 /etc/company/deploy_key.pub")
    before = worker.check_output("cat %s", KNOWN_HOSTS)
    try:
        worker.check_output("printf 'git.example.org %%s\\n' %s >%s", key, KNOWN_HOSTS)
        run = airflow.trigger("git_warehouse")
        (task,) = run.wait()
        assert task.state == "failed"
        answer = airflow.call("GET", f"{run.path}/taskInstances/{task.task_id}/logs/{task.try_number}")
        assert "Host key verification failed" in json.dumps(answer)
    finally:
        worker.check_output("printf '%%s\\n' %s >%s", before, KNOWN_HOSTS)
