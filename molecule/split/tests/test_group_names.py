"""Groups may have other names, and groups with the collection's names may be of others."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import yaml
from testlib import run_playbook

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Cluster


@pytest.fixture
def inventory(cluster: Cluster, tmp_path: Path) -> Path:
    """Return the inventory with other names of its groups, and with hosts of others in their names."""
    content = copy.deepcopy(cluster.content)
    names = {name: f"airflow_{name}" for name in content["children"]}
    unrelated = {name: {"hosts": {"unrelated": {"ansible_host": "192.0.2.1"}}} for name in names}
    renamed = {names[name]: group for name, group in content["children"].items()}
    content["children"] = {**renamed, **unrelated}
    content["vars"]["airflow_group_names"] = names
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": content}), encoding="utf-8")
    return path


@pytest.mark.parametrize("playbook", ["hosts", "dags"])
def test_hosts_of_others_are_not_touched(cluster: Cluster, inventory: Path, playbook: str) -> None:
    done = run_playbook(inventory, playbook).assert_success()
    assert done.changed.keys() <= {host.name for host in cluster.hosts()}
    assert set(done.changed.values()) == {0}
    assert "Could not match supplied host pattern" not in done.output
