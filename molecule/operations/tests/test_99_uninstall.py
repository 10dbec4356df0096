"""playbooks/uninstall.yml leaves a host as it was, and keeps the data unless told otherwise.

The last file of the scenario: it takes the cluster off its hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import run_playbook, run_site, wait_for
from testlib.uninstall import confirmed_uninstall, traces, uninstall

if TYPE_CHECKING:
    from testlib import Cluster, Host

WORKER = "worker2"


def kept(host: Host) -> set[str]:
    """Return what stays without airflow_remove_data: data, and the users that own it."""
    users = host.check_output("ls /var/lib/airflow /var/log/airflow | grep -v : | sort -u").split()
    assert users
    return {"file /var/lib/airflow", "file /var/log/airflow", "file /var/backups/airflow"}


def without_users(found: set[str]) -> set[str]:
    return {line for line in found if not line.startswith("user ")}


@pytest.mark.parametrize("answer", [(), ("--extra-vars=airflow_remove_data=true",), (f"--limit={WORKER}",)])
def test_nothing_is_removed_without_a_confirmation(cluster: Cluster, answer: tuple[str, ...]) -> None:
    result = uninstall(cluster, *answer)
    assert result.returncode != 0
    assert (
        "Nothing was removed. Answer 'uninstall', or add '-e airflow_uninstall_confirmed=true'."
        in result.text
    )
    assert set(result.changed.values()) <= {0}
    assert cluster.unhealthy() == []


def test_a_removed_worker_is_cleaned(cluster: Cluster) -> None:
    host, limit = cluster.host(WORKER), f"--limit={WORKER}"
    assert "process airflow-worker" in traces(host)
    run_playbook(cluster.inventory, "remove", limit).assert_success()
    confirmed_uninstall(cluster, limit, "--extra-vars=airflow_remove_data=true")
    assert traces(host) == set()
    assert set(confirmed_uninstall(cluster, limit).changed.values()) == {0}
    # The rest goes on without it.
    wait_for("problems", cluster.problems, lambda problems: not problems)


def test_the_cluster_is_taken_off_and_built_again_with_its_data(cluster: Cluster) -> None:
    airflow = cluster.airflow()
    run = airflow.trigger("lab_fifty", seconds=[0.1] * 50)
    run.wait()
    airflow.call("POST", "variables", {"key": "kept_by_uninstall", "value": "secret"})
    control = cluster.one("postgres")
    confirmed_uninstall(cluster)
    for host in [*cluster.hosts("schedulers"), cluster.host("worker1")]:
        left = without_users(traces(host)) - kept(host)
        # The servers keep their configuration with their data.
        servers = {line for line in left if "/etc/postgresql" in line or "/etc/valkey" in line}
        assert left - servers == set(), host
    active = "systemctl is-active postgresql@17-main valkey-server"
    assert control.run(active).stdout.split() == ["inactive"] * 2
    # Debian's generator enables the server itself at each boot, for postgresql to start.
    assert control.run("systemctl is-enabled postgresql valkey-server").stdout.split() == ["disabled"] * 2
    # A run that was interrupted is completed by the next one, which finds nothing more.
    assert set(confirmed_uninstall(cluster).changed.values()) == {0}

    run_site(cluster.inventory).assert_success()
    again = cluster.airflow()
    assert len(again.call("GET", f"{run.path}/taskInstances?limit=100")["task_instances"]) == 50
    assert again.call("GET", "variables/kept_by_uninstall")["value"] == "secret"
    assert len(again.trigger("lab_fifty", seconds=[0.1] * 50).wait()) == 50


def test_with_its_data_everything_is_removed(cluster: Cluster) -> None:
    confirmed_uninstall(cluster, "--extra-vars=airflow_remove_data=true")
    for host in cluster.hosts("schedulers") + cluster.hosts("workers"):
        assert traces(host) == set(), host
    control = cluster.one("postgres")
    assert (
        control.run(
            "ls -d /etc/valkey /var/lib/valkey /etc/postgresql/*/main /var/lib/postgresql/*/main"
        ).stdout
        == ""
    )
    packages = control.run("dpkg-query -W -f '${db:Status-Status} ' postgresql-17 valkey-server valkey-tools")
    assert "installed" not in packages.stdout.split()
