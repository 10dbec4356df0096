"""What docs/high-availability.md says of the database: its primary is lost or cut off while tasks run."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from testlib import Cluster, faults, record_recovery, run_playbook, wait_for
from testlib.status import wait_status_healthy
from testlib.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib.host import Host

PATRONI = "patronictl --config-file /etc/patroni/config.yml"
# PostgreSQL, Patroni, etcd.
PORTS = (5432, 8008, 2379, 2380)
# Writes rows through HAProxy, and notes those of which PostgreSQL has said that they are committed.
WRITE = """
import os, time
import psycopg2
number, connection = 0, None
while True:
    number += 1
    try:
        if connection is None:
            connection = psycopg2.connect(os.environ["URL"], connect_timeout=2)
            connection.autocommit = True
        connection.cursor().execute("INSERT INTO lab_failover VALUES (%s)", (number,))
    except psycopg2.Error:
        connection = None
    else:
        with open("/run/database-answers", "a") as file:
            file.write(f"{number} {time.time()}\\n")
    time.sleep(0.1)
"""
LONG = 20.0


def roles(hosts: list[Host]) -> dict[str, str]:
    """Return the role of each host whose PostgreSQL is well, as the first that answers knows it."""
    for host in hosts:
        with suppress(Exception):
            found = host.run(f"timeout 10 {PATRONI} list --format json")
            if found.rc == 0:
                return {
                    item["Member"]: item["Role"]
                    for item in json.loads(found.stdout)
                    if item["State"] in {"running", "streaming"}
                }
    return {}


def primary(hosts: list[Host], timeout: float = 90) -> Host:
    """Return the host that is the primary, which takes writes."""
    names = {host.name: host for host in hosts}

    def found() -> list[str]:
        return [name for name, role in roles(hosts).items() if role == "Leader" and name in names]

    return names[wait_for("one primary", found, lambda leaders: len(leaders) == 1, timeout=timeout)[0]]


def is_complete(hosts: list[Host]) -> bool:
    """Return whether there is a primary, and all others follow it, of which one confirms each commit."""
    return sorted(roles(hosts).values()) == sorted(
        ["Leader", "Sync Standby", *["Replica"] * (len(hosts) - 2)]
    )


@dataclass
class Writer:
    """Rows that are written on a worker through HAProxy."""

    host: Host

    def acknowledged(self) -> list[tuple[int, float]]:
        lines = self.host.check_output("cat /run/database-answers").splitlines()
        return [(int(number), float(when)) for number, when in map(str.split, lines)]

    def away(self) -> float:
        """Return the longest time without a write."""
        return max(
            second - first for first, second in pairwise(when for _number, when in self.acknowledged())
        )


@contextmanager
def writer(cluster: Cluster, hosts: list[Host]) -> Iterator[Writer]:
    worker, database = cluster.one("workers"), cluster.database("results")
    primary(hosts).sql(
        database,
        "DROP TABLE IF EXISTS lab_failover; CREATE TABLE lab_failover (number int);"
        " ALTER TABLE lab_failover OWNER TO airflow_results",
    )
    url = (
        f"postgresql://airflow_results:{cluster.secrets['airflow_results_password']}@postgres:5432/{database}"
    )
    worker.check_output("rm -f /run/database-answers && printf %s >/run/lab-database.env", f"URL={url}\n")
    worker.check_output(
        "systemd-run --quiet --collect --unit=lab-database --property=EnvironmentFile=/run/lab-database.env"
        " /opt/airflow/current/bin/python -c %s",
        WRITE,
    )
    try:
        yield Writer(worker)
    finally:
        worker.check_output("systemctl stop lab-database")


@pytest.fixture
def databases(cluster: Cluster) -> Iterator[list[Host]]:
    wait_status_healthy(cluster)
    hosts = cluster.hosts("postgres")
    wait_for("all databases in their roles", lambda: is_complete(hosts), timeout=120)
    yield hosts
    wait_for("all databases in their roles", lambda: is_complete(hosts), timeout=120)


def report(fault: str, start: float, writes: Writer, stream: Stream, hosts: list[Host]) -> None:
    """Assert that no committed row and no task is lost, and no task runs twice; print the figures."""
    noted = writes.acknowledged()
    kept = {int(line) for line in primary(hosts).sql("airflow_results", "SELECT number FROM lab_failover")}
    assert {number for number, _when in noted} - kept == set()
    # The host that was lost has an API server, too.
    wait_status_healthy(stream.cluster)
    pause = stream.assert_none_lost()
    record_recovery(fault, start, *stream.runs)
    print(
        f"{fault}: {len(noted)} rows, {len(stream.runs)} runs; database away {writes.away():.1f} s,"
        f" API away {stream.api_away():.1f} s, no task began for {pause:.1f} s"
    )


def test_the_host_of_the_primary_is_killed_and_comes_back(cluster: Cluster, databases: list[Host]) -> None:
    lost = primary(databases)
    others = [host for host in databases if host is not lost]
    with writer(cluster, databases) as writes, Stream(cluster, LONG) as stream:
        time.sleep(10)
        killed = time.time()
        with faults.switched_off(cluster, lost):
            new = primary(others)
            time.sleep(20)
        wait_for("all databases in their roles", lambda: is_complete(databases), timeout=120)
        assert primary(databases) is new
    report("host of the database's primary killed", killed, writes, stream, databases)
    assert writes.away() < 40


def test_the_primary_is_cut_off_from_the_others(cluster: Cluster, databases: list[Host]) -> None:
    old = primary(databases)
    others = [host for host in databases if host is not old]
    with writer(cluster, databases) as writes, Stream(cluster, LONG) as stream:
        time.sleep(10)
        start = time.time()
        with faults.cut_off(old, others, *PORTS):
            new = primary(others)
            wait_for(
                "no writes on the old primary",
                lambda: (
                    old.run(
                        "runuser -u postgres -- psql --tuples-only --command='SELECT pg_is_in_recovery()'"
                    ).stdout
                ),
                lambda text: text.strip() == "t",
                timeout=60,
            )
            time.sleep(20)
        wait_for("all databases in their roles", lambda: is_complete(databases), timeout=120)
        assert primary(databases) is new
    report("database's primary cut off", start, writes, stream, databases)
    assert writes.away() < 40


def test_another_run_keeps_the_primary(cluster: Cluster, databases: list[Host]) -> None:
    """Whichever host it is."""
    old = primary(databases)
    old.check_output(f"{PATRONI} switchover --force --leader {old.name} airflow")
    new = primary([host for host in databases if host is not old])
    wait_for("all databases in their roles", lambda: is_complete(databases), timeout=120)
    query = "SELECT extract(epoch FROM pg_postmaster_start_time())"
    starts = {host.name: host.sql("postgres", query) for host in databases}
    result = run_playbook(cluster.inventory, "postgres")
    assert set(result.assert_success().changed.values()) == {0}
    assert primary(databases) is new
    assert starts == {host.name: host.sql("postgres", query) for host in databases}


def test_a_standby_without_anything_joins_again(cluster: Cluster, databases: list[Host]) -> None:
    """As a host that was rebuilt with the same name."""
    lost = next(host for host in databases if host is not primary(databases))
    lost.check_output(
        "systemctl stop patroni etcd"
        " && rm -rf /etc/patroni /var/lib/postgresql/*/main /var/lib/etcd/lakehouse* /etc/etcd"
    )
    before = primary([host for host in databases if host is not lost])
    run_playbook(cluster.inventory, "postgres").assert_success()
    wait_for("all databases in their roles", lambda: is_complete(databases), timeout=120)
    assert primary(databases) is before
    members = before.check_output("etcd-members member list").splitlines()
    assert len(members) == len(databases), members
