"""Exporters tell of the servers of the cluster, with no more rights than that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Cluster, Host

PASSWORD_FILE = "/etc/airflow/valkey-exporter.env"  # noqa: S105
# What the user of the exporter may ask the broker, and what not.
ALLOWED = ["PING", "INFO"]
REFUSED = ["LLEN default", "CONFIG GET save", "ACL LIST", "KEYS default", "CLIENT LIST"]


@pytest.fixture(scope="module", autouse=True)
def exporters(cluster: Cluster) -> list[str]:
    """Return those that the scenario has on its servers."""
    found = [
        name for name in cluster.variable("airflow_exporters", []) if name != "node" and cluster.hosts(name)
    ]
    if not found:
        pytest.skip("the scenario has no exporters of servers")
    return found


def metrics(host: Host, port: int) -> set[str]:
    """Return the lines of the metrics of an exporter."""
    script = (
        f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
    )
    return set(host.check_output("python3 -c %s", script).splitlines())


def test_each_reaches_its_server(cluster: Cluster) -> None:
    for group, port, up in (("postgres", 9187, "pg_up 1"), ("valkey", 9121, "redis_up 1")):
        host = cluster.one(group)
        wait_for(up, lambda: metrics(host, port), lambda found: up in found)  # noqa: B023


def test_that_of_postgresql_has_no_password_and_sees_statistics_alone(cluster: Cluster) -> None:
    host = cluster.one("postgres")
    query = (
        "SELECT rolpassword IS NULL, rolsuper, ARRAY(SELECT roleid::regrole::text FROM pg_auth_members"
        " WHERE member = pg_authid.oid) FROM pg_authid WHERE rolname = 'prometheus'"
    )
    assert host.sql("postgres", query) == ["t|f|{pg_monitor}"]
    command = "cd / && runuser -u prometheus -- psql --dbname=%s --command='SELECT 1'"
    assert host.run(command, "postgres").rc == 0
    assert host.run(command, cluster.database("database")).rc != 0


def test_that_of_valkey_reads_no_key(cluster: Cluster) -> None:
    host = cluster.one("valkey")
    assert host.file(PASSWORD_FILE).mode == 0o600
    password = host.check_output("sed -n s/REDIS_PASSWORD=//p %s", PASSWORD_FILE)
    # Over the socket, for the firewall.
    client = "REDISCLI_AUTH=%s valkey-cli -s /run/valkey/valkey.sock --user exporter"
    for command in ALLOWED:
        assert not host.check_output(f"{client} {command}", password).startswith("NOPERM"), command
    for command in REFUSED:
        assert host.check_output(f"{client} {command}", password).startswith("NOPERM"), command


def test_no_password_is_in_arguments_or_units(cluster: Cluster) -> None:
    host = cluster.one("valkey")
    password = host.check_output("sed -n s/REDIS_PASSWORD=//p %s", PASSWORD_FILE)
    shown = host.check_output(
        "ps -e -o args; systemctl cat 'prometheus-*'; journalctl -u 'prometheus-*' --no-pager"
    )
    assert "prometheus-redis-exporter" in shown
    assert password not in shown
