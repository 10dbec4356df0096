"""Each user of the broker may do what its services do, and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import redis
from testlib import wait_for

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower

# What no user may do; "default" is a queue.
ALL_REFUSED = [
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "CONFIG GET *",
    "CONFIG SET maxmemory 1",
    "ACL LIST",
    "CLIENT LIST",
    "CLIENT KILL ID 1",
    "SHUTDOWN",
    "SAVE",
    "MONITOR",
    "INFO",
    "REPLICAOF 192.0.2.1 6379",
    "MODULE LIST",
    "FUNCTION LOAD code",
    "FUNCTION FLUSH",
    "FCALL name 0",
    "EVAL code 0",
    "SCRIPT FLUSH",
    "GET default",
    "SET default 1",
    "DEL default",
    "EXPIRE default 1",
    "RENAME default other",
    "DUMP default",
    "MIGRATE 192.0.2.1 6379 default 0 1",
    "LRANGE default 0 -1",
    "LINDEX default 0",
    "LSET default 0 message",
    "LTRIM default 1 0",
    "RPOP default",
    "RPUSH default message",
    "LMOVE default other LEFT LEFT",
    "SREM _kombu.binding.default member",
    "HGETALL unacked",
    "SUBSCRIBE /0.celery.pidbox",
    "PSUBSCRIBE *",
    "PUBLISH /0.other message",
]
# What one of them may, and the others may not.
REFUSED = {
    "worker": [
        "PUBLISH /0.celery.pidbox message",
        "PSUBSCRIBE /0.celeryev/*",
        "EVALSHA digest 1 default",
        "DEL celeryev.id",
    ],
    "scheduler": [
        "BRPOP default 1",
        "PSUBSCRIBE /0.celery.pidbox",
        "PSUBSCRIBE /0.celeryev/*",
        "PUBLISH /0.celeryev/worker.heartbeat message",
        "EVALSHA digest 0",
        "SCRIPT LOAD code",
        "DEL id.reply.celery.pidbox",
    ],
    "monitor": [
        "LPUSH default message",
        "LPUSH id.reply.celery.pidbox message",
        "BRPOP default 1",
        "PSUBSCRIBE /0.celery.pidbox",
        "PUBLISH /0.celeryev/worker.heartbeat message",
        "SADD _kombu.binding.default member",
        "SMEMBERS _kombu.binding.default",
        "EVALSHA digest 1 default",
    ],
}
# As a worker does that is stopped between taking a message and running it.
TAKE = """
from airflow.providers.celery.executors.celery_executor import app
from kombu import Consumer, Producer, Queue
with app.connection_for_read() as connection:
    queue = Queue("lab_back", routing_key="lab_back")(connection)
    queue.declare()
    Producer(connection).publish({}, routing_key="lab_back")
    with Consumer(connection, [queue], callbacks=[lambda *_: None]):
        connection.drain_events(timeout=10)
    print(connection.default_channel.client.llen("lab_back"))
"""


@pytest.mark.parametrize("user", list(REFUSED))
def test_each_user_is_refused_what_it_has_no_use_for(cluster: Cluster, user: str) -> None:
    broker = cluster.broker(user)
    allowed = []
    for command in ALL_REFUSED + REFUSED[user]:
        try:
            answer = broker.execute_command(*command.split())
        except redis.exceptions.NoPermissionError:
            continue
        except redis.RedisError as error:
            answer = error
        allowed.append(f"{command}: {answer}")
    assert allowed == []


def test_a_script_may_do_no_more_than_the_user(cluster: Cluster) -> None:
    """Kombu binds the queues of Flower and of the worker monitor by scripts."""
    broker = cluster.broker("monitor")
    digest = broker.script_load("return redis.call('LPUSH', 'default', 'message')")
    with pytest.raises(redis.ResponseError, match="ACL failure in script"):
        broker.evalsha(digest, 0)
    assert cluster.broker().llen("default") == 0


def test_all_that_runs_does_only_what_it_may(cluster: Cluster, airflow: Airflow, flower: Flower) -> None:
    """Valkey logs what it refuses: nothing, while all is restarted, a task runs, and workers are asked."""
    (host,) = cluster.hosts()
    host.check_output("valkey-admin ACL LOG RESET")
    host.check_output(
        "systemctl restart airflow-scheduler airflow-worker airflow-flower airflow-worker-monitor"
    )
    flower.wait_online(host.name)
    run = airflow.trigger("lab_spread")
    assert {task.outcome for task in run.wait()} == {("success", 1)}
    assert flower.queues(host.name) >= {f"host.{host.name}"}
    assert cluster.ping(host.name)
    assert host.name in host.check_output("airflow celery list-workers")
    host.check_output("systemctl restart airflow-worker airflow-flower airflow-worker-monitor")
    wait_for("cluster healthy", cluster.problems, lambda problems: not problems)
    assert host.check_output("valkey-admin ACL LOG") == ""


def test_a_worker_puts_back_what_it_took_and_has_not_run(cluster: Cluster) -> None:
    """Without LPUSH it is lost until the scheduler sends it again, after task_queued_timeout (600 s)."""
    (host,) = cluster.hosts()
    unit = "systemd-run --quiet --collect --wait --pipe --uid=airflow-worker"
    python = "--property=EnvironmentFile=/etc/airflow/worker.env /opt/airflow/current/bin/python"
    try:
        assert "0" in host.check_output(f"{unit} {python} -c %s", TAKE).splitlines()
        assert cluster.broker("worker").llen("lab_back") == 1
    finally:
        host.check_output("valkey-admin DEL lab_back")


def test_a_worker_obeys_no_order_to_stop(cluster: Cluster, flower: Flower) -> None:
    (host,) = cluster.hosts()
    before, start = host.unit("airflow-worker")["InvocationID"], time.time()
    host.check_output("airflow celery shutdown-all-workers --yes")
    wait_for(
        "refusal",
        lambda: "KeyError('shutdown')" in host.journal_since("airflow-worker", start),
    )
    assert host.unit("airflow-worker")["InvocationID"] == before
    flower.wait_online(host.name)
