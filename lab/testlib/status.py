"""playbooks/status.yml, by which an operator sees whether all hosts, services and servers are well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib.ansible_commands import run_playbook
from testlib.wait import wait_for

if TYPE_CHECKING:
    from testlib.cluster import Cluster


def status_problems(cluster: Cluster) -> str:
    """Return what the playbook says when something is wrong, among it a database without its role."""
    result = run_playbook(cluster.inventory, "status")
    return "" if result.returncode == 0 else result.output[-3000:]


def wait_status_healthy(cluster: Cluster) -> None:
    """Wait until nothing is wrong, as after a host was switched on again."""
    wait_for("healthy status", lambda: status_problems(cluster), lambda problems: not problems, timeout=180)
