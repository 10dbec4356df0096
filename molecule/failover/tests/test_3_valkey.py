"""What docs/high-availability.md says of the broker, whose primary is lost, cut off or restarted."""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from testlib import Cluster, faults, record_recovery, run_playbook, wait_for
from testlib.status import wait_status_healthy
from testlib.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testlib.host import Host

# Asks Valkey behind HAProxy for an answer, whatever it is, and notes when there was one.
ASK = """
while :; do
    ask='exec 3<>/dev/tcp/127.0.0.1/6379; printf "PING\\r\\n" >&3; head -c 3 <&3'
    answer=$(timeout 1 bash -c "$ask" 2>/dev/null)
    [ -z "$answer" ] || date +%s.%N >>/run/broker-answers
    sleep 0.2
done
"""
# Writes on the host of the broker itself, and notes the answers.
WRITE = "while :; do timeout 2 valkey-admin SET lab_writes 1; sleep 0.01; done >>/run/broker-writes 2>&1"
# Valkey, Sentinel.
PORTS = (6379, 26379)
LONG = 20.0


def state(host: Host) -> dict[str, str]:
    """Return what the Valkey of a host says of its replication, {} while it does not run."""
    text = host.run("valkey-replication status").stdout
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def primaries(hosts: list[Host]) -> list[Host]:
    """Return the hosts that are a primary which a replica follows."""
    states = {host: state(host) for host in hosts}
    return [
        host
        for host, found in states.items()
        if found.get("role") == "master" and found["connected_slaves"] != "0"
    ]


def primary(hosts: list[Host]) -> Host:
    return wait_for("one primary", lambda: primaries(hosts), lambda found: len(found) == 1, timeout=90)[0]


def all_follow(hosts: list[Host]) -> bool:
    """Return whether one host is the primary and all others have its data."""
    states = [state(host) for host in hosts]
    roles = [found.get("role") for found in states]
    return roles.count("master") == 1 and all(
        found.get("master_link_status") == "up" for found in states if found.get("role") != "master"
    )


@contextmanager
def clients(cluster: Cluster) -> Iterator[Callable[[], float]]:
    """Ask for the broker on a worker; what is yielded returns the longest time without an answer."""
    host = cluster.one("workers")
    run = "rm -f /run/broker-answers && systemd-run --quiet --collect --unit=lab-broker bash -c %s"
    host.check_output(run, ASK)

    def away() -> float:
        times = [float(line) for line in host.check_output("cat /run/broker-answers").splitlines()]
        return max(second - first for first, second in pairwise(times))

    try:
        yield away
    finally:
        host.check_output("systemctl stop lab-broker")


@pytest.fixture
def brokers(cluster: Cluster) -> Iterator[list[Host]]:
    wait_status_healthy(cluster)
    hosts = cluster.hosts("valkey")
    wait_for("all brokers in their roles", lambda: all_follow(hosts), timeout=90)
    yield hosts
    wait_for("all brokers in their roles", lambda: all_follow(hosts), timeout=90)


def report(fault: str, start: float, away: float, stream: Stream) -> None:
    """Assert that no task is lost or runs twice, and print the figures."""
    # The host that was lost has an API server, too.
    wait_status_healthy(stream.cluster)
    pause = stream.assert_none_lost()
    record_recovery(fault, start, *stream.runs)
    print(f"{fault}: {len(stream.runs)} runs, broker away {away:.1f} s, no task began for {pause:.1f} s")


def test_the_host_of_the_primary_is_killed_and_comes_back(cluster: Cluster, brokers: list[Host]) -> None:
    lost = primary(brokers)
    others = [host for host in brokers if host is not lost]
    with clients(cluster) as away, Stream(cluster, LONG) as stream:
        time.sleep(10)
        killed = time.time()
        with faults.switched_off(cluster, lost):
            new = primary(others)
            time.sleep(20)
        roles = set()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            roles.add(state(lost).get("role"))
        # It never serves as a second one.
        assert "master" not in roles, roles
        assert "slave" in roles, roles
        assert primary(brokers) is new
        away_for = away()
    report("host of the broker's primary killed", killed, away_for, stream)
    assert away_for < 20


def test_the_primary_is_cut_off_from_the_other_brokers(cluster: Cluster, brokers: list[Host]) -> None:
    old = primary(brokers)
    others = [host for host in brokers if host is not old]
    with clients(cluster) as away, Stream(cluster, LONG) as stream:
        time.sleep(10)
        start = time.time()
        with faults.cut_off(old, others, *PORTS):
            new = primary(others)
            wait_for(
                "no message taken by the old primary",
                lambda: old.check_output("valkey-admin LPUSH lab_partition 1 2>&1 || true"),
                lambda text: "NOREPLICAS" in text,
                timeout=30,
            )
            assert state(old)["role"] == "master"
            time.sleep(20)
        wait_for("the old primary as a replica", lambda: state(old).get("role"), "slave".__eq__, timeout=60)
        assert primary(brokers) is new
        away_for = away()
    report("broker's primary cut off from its replicas", start, away_for, stream)
    assert away_for < 20


def test_a_restart_of_the_primary_loses_nothing(cluster: Cluster, brokers: list[Host]) -> None:
    """Nor does it refuse a message, while its replicas are not back: the try of its task would be used up."""
    old = primary(brokers)
    with clients(cluster) as away, Stream(cluster, LONG) as stream:
        time.sleep(10)
        start = time.time()
        old.check_output("rm -f /run/broker-writes")
        old.check_output("systemd-run --quiet --collect --unit=lab-writes sh -c %s", WRITE)
        try:
            old.check_output("systemctl restart valkey-server")
            time.sleep(15)
        finally:
            old.check_output("systemctl stop lab-writes && valkey-admin DEL lab_writes")
        assert "NOREPLICAS" not in old.check_output("cat /run/broker-writes")
        assert old.check_output("valkey-admin CONFIG GET min-replicas-to-write").split()[-1] == "1"
        assert primary(brokers) is old
        away_for = away()
    report("broker's primary restarted", start, away_for, stream)
    assert away_for < 10


def test_another_run_keeps_the_primary(cluster: Cluster, brokers: list[Host]) -> None:
    """Whichever host it is: the one before has been stopped for a while."""
    old = primary(brokers)
    others = [host for host in brokers if host is not old]
    old.check_output("systemctl stop valkey-server")
    try:
        new = primary(others)
    finally:
        old.check_output("systemctl start valkey-server")
    starts = {host.name: host.start_time("valkey-server") for host in brokers}
    result = run_playbook(cluster.inventory, "valkey")
    assert set(result.assert_success().changed.values()) == {0}
    assert primary(brokers) is new
    assert starts == {host.name: host.start_time("valkey-server") for host in brokers}


def test_a_failover_by_hand_ends_no_worker(cluster: Cluster, brokers: list[Host]) -> None:
    """The mechanism is broker_channel_error_retry, for the primary before refuses commands for a moment."""
    old = primary(brokers)
    before = {host.name: host.unit("airflow-worker")["InvocationID"] for host in cluster.hosts("workers")}
    password = old.check_output("sed -n 's/^requirepass //p' /etc/valkey/lakehouse-sentinel.conf").strip('"')
    with clients(cluster) as away, Stream(cluster, LONG) as stream:
        time.sleep(10)
        start = time.time()
        sentinel = f"REDISCLI_AUTH={password} valkey-cli -h {old.address} -p 26379"
        assert old.check_output(f"{sentinel} SENTINEL FAILOVER airflow") == "OK"
        assert primary([host for host in brokers if host is not old])
        time.sleep(20)
        away_for = away()
    report("broker's failover by hand", start, away_for, stream)
    now = {host.name: host.unit("airflow-worker")["InvocationID"] for host in cluster.hosts("workers")}
    assert now == before
