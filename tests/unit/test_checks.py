"""Which messages a task with several checks says."""

from __future__ import annotations

from ansible_collections.lakehouse.airflow.plugins.filter.checks import failed_messages

MESSAGES = {"port": "The port is 0.", "user": "The user is empty.", "name": "The name is empty."}


def test_the_messages_of_failed_checks_are_lines() -> None:
    assert (
        failed_messages({"port": False, "user": True, "name": False}, MESSAGES)
        == "The port is 0.\nThe name is empty."
    )


def test_nothing_is_said_of_checks_that_passed() -> None:
    assert failed_messages(dict.fromkeys(MESSAGES, True), {}) == ""
