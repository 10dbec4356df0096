"""What the broker has acknowledged outlives its sudden death."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import Broker, faults

if TYPE_CHECKING:
    from testlib import Lab

MESSAGES = 5000


def test_acknowledged_messages_outlive_a_kill(lab: Lab) -> None:
    """The mechanism is the append-only file: with snapshots alone none of the 5,000 is left."""
    broker = lab.broker()
    for number in range(MESSAGES):
        broker.ask("LPUSH", "lab_messages", str(number))
    faults.crash(lab.one("valkey"), "valkey-server")
    broker = lab.broker()
    try:
        assert broker.queued("lab_messages") == MESSAGES
    finally:
        broker.ask("DEL", "lab_messages")


def test_a_transaction_outlives_a_kill(lab: Lab) -> None:
    """Celery's library writes what it must not write by halves in transactions.

    The mechanism is the rights of the user "default" in the broker's configuration: without them Valkey drops
    transactions when it loads its file, and these values are not there.
    """
    broker = lab.broker()
    names = ["lab_one", "lab_other"]
    for words in (["MULTI"], *(["SET", name, "kept"] for name in names), ["EXEC"]):
        broker.ask(*words)
    faults.crash(lab.one("valkey"), "valkey-server")
    broker = lab.broker()
    try:
        assert [broker.ask("GET", name) for name in names] == ["kept", "kept"]
    finally:
        broker.ask("DEL", *names)


def test_nobody_gets_in_without_a_password(lab: Lab) -> None:
    stranger = Broker(lab.one("valkey").address)
    with pytest.raises(PermissionError, match="NOAUTH"):
        stranger.ask("PING")
    with pytest.raises(PermissionError, match="WRONGPASS"):
        stranger.ask("AUTH", "default", "")
