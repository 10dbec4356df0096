"""What fails is told by mail, through a server that asks for STARTTLS and a login."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

from testlib import EXAMPLES, wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster

MAILBOX = "/var/mail/company/new"
SEPARATOR = "-- the next mail --"
SENDERS = {
    # The task itself, on the worker.
    "email@example.org": "alerts@example.org",
    "notifier@example.org": "airflow@example.org",
    # The DAG processor.
    "run@example.org": "airflow@example.org",
}


def mails(cluster: Cluster) -> list[EmailMessage]:
    """Return the mails that the server has taken."""
    script = f"for file in {MAILBOX}/*; do test ! -e $file || cat $file; echo; echo '{SEPARATOR}'; done"
    texts = cluster.host("servers").check_output(script).split(SEPARATOR)
    found = [
        email.message_from_string(text.strip(), EmailMessage, policy=email.policy.default) for text in texts
    ]
    return [mail for mail in found if mail["To"]]


def test_the_inventory_has_the_documented_example(cluster: Cluster) -> None:
    assert cluster.variable("airflow_environment_mail", None) == EXAMPLES["airflow_environment_mail"]


def test_failures_are_told_by_mail(cluster: Cluster, airflow: Airflow) -> None:
    cluster.host("servers").check_output(f"rm -f {MAILBOX}/*")
    run = airflow.trigger("lab_mail")
    assert {task.state for task in run.wait()} == {"failed"}
    found = wait_for("three mails", lambda: mails(cluster), lambda found: len(found) >= len(SENDERS))
    assert {mail["To"]: mail["From"] for mail in found} == SENDERS
    subjects = {mail["To"]: mail["Subject"] for mail in found}
    # Airflow's own subject is all that it knows of the task.
    assert "task_id='email' dag_id='lab_mail'" in subjects["email@example.org"]
    assert subjects["run@example.org"] == "lab_mail failed"
    bodies = {mail["To"]: mail.get_body().get_content() for mail in found}  # type: ignore[union-attr]
    assert "no rows" in bodies["email@example.org"]
