"""DAG processor and triggerer run on the hosts of their groups, without groups on the schedulers'."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import yaml
from testlib import run_playbook

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Cluster, Host, Result

TRIGGERER = "airflow-triggerer"


@pytest.fixture
def scheduler(cluster: Cluster) -> Host:
    return cluster.host("scheduler1")


def run_schedulers(inventory: Path) -> Result:
    return run_playbook(inventory, "schedulers", "--skip-tags=validate")


def test_the_services_run_on_the_hosts_of_their_groups(cluster: Cluster) -> None:
    for unit, name in [("airflow-dag-processor", "flower1"), (TRIGGERER, "webserver1")]:
        hosts = [host.name for host in cluster.hosts() if host.service(unit).exists]
        assert hosts == [name]


def test_the_airflow_command_has_the_settings_of_the_dag_processor(cluster: Cluster) -> None:
    output = cluster.host("flower1").check_output("airflow dags list --output=plain")
    assert "lab_where" in output


def test_a_service_that_moves_to_another_host_is_removed(
    cluster: Cluster, scheduler: Host, tmp_path: Path
) -> None:
    content = copy.deepcopy(cluster.content)
    del content["children"]["triggerers"]
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": content}), encoding="utf-8")
    before = run_schedulers(inventory).assert_success()
    assert scheduler.service(TRIGGERER).is_running
    after = run_schedulers(cluster.inventory).assert_success()
    assert not scheduler.service(TRIGGERER).is_running
    assert not scheduler.file("/etc/airflow/triggerer.env").exists
    assert not scheduler.file(f"/etc/systemd/system/{TRIGGERER}.service").exists
    assert (before.changed["scheduler1"], after.changed["scheduler1"]) == (1, 2)
