"""What operators run on replicated servers, while tasks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from testlib import Stream, run_playbook, wait_for
from testlib.reboot import boot, started_again
from testlib.status import wait_status_healthy

if TYPE_CHECKING:
    from testlib import Cluster

LONG = 20.0
# Of both databases, of the broker's clients, and by the second of them of its replicas and Sentinels.
PASSWORDS = [
    "airflow_database_password",
    "airflow_results_password",
    "airflow_broker_password",
    "airflow_broker_scheduler_password",
]


def secrets(cluster: Cluster) -> dict[str, str]:
    return dict(yaml.safe_load(cluster.secrets_file.read_text(encoding="utf-8")))


def test_passwords_are_rotated(cluster: Cluster) -> None:
    before = secrets(cluster)
    with Stream(cluster, LONG) as stream:
        wait_for("tasks of the stream", lambda: len(stream.runs), lambda count: count >= 3)
        run_playbook(
            cluster.inventory, "rotate_secrets", f"--extra-vars=airflow_rotate={','.join(PASSWORDS)}"
        ).assert_success()
    after = secrets(cluster)
    assert {name for name, value in before.items() if after[name] != value} == set(PASSWORDS)
    stream.assert_none_lost()
    wait_status_healthy(cluster)


def test_each_host_of_the_servers_is_rebooted(cluster: Cluster) -> None:
    """Primaries too, which hand over before."""
    hosts = cluster.hosts("postgres")
    before = {host.name: boot(host) for host in hosts}
    for host in hosts:
        host.check_output("touch /run/reboot-required")
    with Stream(cluster, LONG) as stream, started_again(cluster, *before):
        run_playbook(cluster.inventory, "update_hosts", f"--limit={','.join(before)}").assert_success()
    assert [host.name for host in hosts if boot(host) == before[host.name]] == []
    pause = stream.assert_none_lost()
    print(f"three hosts rebooted: API away {stream.api_away():.1f} s, no task began for {pause:.1f} s")
    wait_status_healthy(cluster)
