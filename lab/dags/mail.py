"""Failures of which mail tells."""

from __future__ import annotations

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import DAG, task


def fail() -> None:
    raise ValueError("no rows")


with DAG(
    "lab_mail",
    description="Two tasks that fail, with a mail for each and one for the run",
    schedule=None,
    is_paused_upon_creation=False,
    tags=["lab"],
    on_failure_callback=SmtpNotifier(to="run@example.org", subject="{{ dag.dag_id }} failed"),
):
    task(task_id="email", email="email@example.org")(fail)()
    task(task_id="notifier", on_failure_callback=SmtpNotifier(to="notifier@example.org"))(fail)()
