"""What the broker has acknowledged is still there after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from testlib import faults

if TYPE_CHECKING:
    from testlib import Cluster

MESSAGES = 5000


def test_acknowledged_messages_survive_a_kill(cluster: Cluster) -> None:
    """The mechanism is the append-only file: with snapshots only, all 5,000 messages were lost."""
    broker = cluster.broker()
    for number in range(MESSAGES):
        broker.lpush("lab_messages", number)
    faults.crash(cluster.one("valkey"), "valkey-server")
    try:
        assert broker.llen("lab_messages") == MESSAGES
    finally:
        cluster.one("valkey").check_output("valkey-admin DEL lab_messages")


def test_a_transaction_survives_a_kill(cluster: Cluster) -> None:
    """Celery's library uses transactions for writes that belong together.

    The mechanism is the permissions of the user "default" in the broker's configuration. Without them Valkey
    skips transactions when it loads the append-only file, and these values were lost.
    """
    broker = cluster.broker()
    names = ["lab_one", "lab_other"]
    with broker.pipeline(transaction=True) as pipeline:
        for name in names:
            pipeline.lpush(name, "kept")
        pipeline.execute()
    faults.crash(cluster.one("valkey"), "valkey-server")
    try:
        assert [broker.llen(name) for name in names] == [1, 1]
    finally:
        cluster.one("valkey").check_output(f"valkey-admin DEL {' '.join(names)}")


def test_unauthenticated_clients_are_refused(cluster: Cluster) -> None:
    client = cluster.unauthenticated_broker()
    with pytest.raises(redis.AuthenticationError, match="Authentication required"):
        client.ping()
    with pytest.raises(redis.AuthenticationError, match="invalid username-password pair"):
        client.execute_command("AUTH", "default", "")
