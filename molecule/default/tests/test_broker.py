"""What the broker holds is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import Broker, wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Flower, Lab


@pytest.fixture
def broker(lab: Lab) -> Broker:
    """Give a connection; one opened before a restart of the broker does not outlive it."""
    return lab.broker()


def test_without_a_worker_for_its_queue_a_task_stays_queued(
    lab: Lab, airflow: Airflow, broker: Broker
) -> None:
    assert not lab.workers("heavy")
    run = airflow.trigger("lab_queues")
    try:
        wait_for("the message for heavy", lambda: broker.queued("heavy"))
        run.wait_tasks("light to end", lambda tasks: any(task.state == "success" for task in tasks))
        assert run.task("light").outcome == ("success", 1)
        assert (run.task("heavy").state, run.task("heavy").hostname) == ("queued", "")
        assert broker.queued("heavy") == 1
    finally:
        run.give_up()
        broker.ask("DEL", "heavy")


def test_a_restart_of_valkey_loses_no_task(lab: Lab, airflow: Airflow, flower: Flower) -> None:
    """Restart Valkey twice: when all tasks wait in it, and when some run and the others wait."""
    valkey, (worker,) = lab.one("valkey"), lab.workers("default")
    worker.check_output("systemctl stop airflow-worker")
    try:
        run = airflow.trigger("lab_spread")
        wait_for("all messages", lambda: lab.broker().queued("default"), lambda queued: queued == 6)
        valkey.check_output("systemctl restart valkey-server")
        assert lab.broker().queued("default") == 6
    finally:
        worker.check_output("systemctl start airflow-worker")
    run.wait_tasks("tasks to run", lambda tasks: any(task.state == "running" for task in tasks))
    valkey.check_output("systemctl restart valkey-server")

    tasks = run.wait()
    assert [task.outcome for task in tasks] == [("success", 1)] * 6
    flower.wait_online(worker.name)
