"""What docs/operations/lost-hosts.md says of a broker, a host of Flower and a controller that are gone."""

from __future__ import annotations

import copy
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import yaml
from testlib import (
    Airflow,
    Cluster,
    Flower,
    assert_survived,
    record_recovery,
    run_playbook,
    run_site,
    wait_for,
    wait_running,
)
from testlib.faults import changed_environment

if TYPE_CHECKING:
    from pathlib import Path

UNITS = "airflow-flower airflow-worker-monitor airflow-worker-health.timer valkey-server"


def test_tasks_that_waited_in_a_lost_broker_are_sent_again(cluster: Cluster, airflow: Airflow) -> None:
    """The mechanism is task_queued_timeout: without it, what waited in the broker waits for ever."""
    quick = {"TASK_QUEUED_TIMEOUT": "20", "TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5"}
    environment = {f"AIRFLOW__SCHEDULER__{name}": value for name, value in quick.items()}
    with ExitStack() as stack:
        for host in cluster.hosts("schedulers"):
            stack.enter_context(changed_environment(host, "airflow-scheduler", **environment))
        running = airflow.trigger("lab_worker1_four", seconds=[20] * 4)
        wait_running(cluster, running, 4)
        queued = airflow.trigger("lab_worker1_two", seconds=[1, 1])
        queued.wait_tasks("queued", lambda tasks: [task.state for task in tasks] == ["queued"] * 2)
        broker = cluster.one("valkey")
        broker.check_output(
            "systemctl stop valkey-server && rm -rf /var/lib/valkey/* && systemctl start valkey-server"
        )
        lost = time.time()
        assert cluster.broker("monitor").ping()
        for run in (running, queued):
            run.wait(timeout=180)
            assert_survived(cluster, run)
        record_recovery("broker lost with its data, task_queued_timeout 20 s", lost, queued)
    wait_for("cluster healthy", cluster.unhealthy, lambda unhealthy: not unhealthy, timeout=90)


def test_another_host_takes_over_from_the_host_of_broker_and_flower(
    cluster: Cluster, airflow: Airflow, tmp_path: Path
) -> None:
    old, new = cluster.one("flower"), cluster.hosts("webservers")[-1]
    content: dict[str, Any] = copy.deepcopy(cluster.content)
    for group in ("flower", "valkey"):
        content["children"][group] = {"hosts": {new.name: {}}}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": content}), encoding="utf-8")
    old.check_output(f"systemctl disable --now {UNITS}")
    try:
        run_site(inventory).assert_success()
        flower = Flower(cluster.url(new, 5555), "flower", cluster.secrets["airflow_flower_password"])
        flower.wait_online(*(host.name for host in cluster.hosts("workers")))
        assert (
            new.check_output("systemctl is-active airflow-worker-monitor valkey-server") == "active\nactive"
        )
        assert [task.outcome for task in airflow.trigger("lab_two", seconds=[1, 1]).wait()] == [
            ("success", 1)
        ] * 2
    finally:
        new.check_output(f"systemctl disable --now {UNITS}; rm -f /etc/airflow/flower.env")
        run_site(cluster.inventory).assert_success()
    wait_for("cluster healthy", cluster.unhealthy, lambda unhealthy: not unhealthy, timeout=90)


def test_the_secrets_are_recovered_from_the_hosts(cluster: Cluster, tmp_path: Path) -> None:
    content = copy.deepcopy(cluster.content)
    secrets = tmp_path / "secrets.yml"
    content["vars"]["airflow_secrets_file"] = str(secrets)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": content}), encoding="utf-8")
    before = run_playbook(inventory, "verify")
    assert "There is a cluster already" in before.text
    try:
        result = run_playbook(inventory, "recover_secrets").assert_success()
        found = yaml.safe_load(secrets.read_text(encoding="utf-8"))
        assert secrets.stat().st_mode & 0o777 == 0o600
        known = {**cluster.secrets, **found}
        assert not [name for name, value in known.items() if value in result.output]
        new = found.pop("airflow_admin_password")
        assert found == {name: value for name, value in cluster.secrets.items() if name in found}
        assert found.keys() | {"airflow_admin_password"} == cluster.secrets.keys()
        assert Airflow(cluster.airflow_url(), "admin", new)
        # The same once more, then what the file is for.
        run_playbook(inventory, "recover_secrets").assert_success()
        assert set(run_site(inventory).assert_success().changed.values()) == {0}
    finally:
        password = cluster.secrets["airflow_admin_password"]
        command = "printf '%%s\\n%%s\\n' %s %s | airflow users reset-password --username admin"
        cluster.one("schedulers").check_output(command, password, password)
    assert cluster.airflow().call("GET", "version")
