"""What the acceptance tests stand on: the lab's hosts, and the cluster's own doors to the outside."""

from testlib.airflow import Airflow, Run, TaskInstance
from testlib.attempts import assert_survived, attempts, wait_running
from testlib.broker import Broker
from testlib.flower import Flower
from testlib.lab import AIRFLOW_UNITS, GROUP_UNITS, PROJECT, WATCH, WATCH_CHECK, Host, Lab
from testlib.play import Play, play, tool
from testlib.recovery import recovered
from testlib.wait import wait_for

__all__ = [
    "AIRFLOW_UNITS",
    "GROUP_UNITS",
    "PROJECT",
    "WATCH",
    "WATCH_CHECK",
    "Airflow",
    "Broker",
    "Flower",
    "Host",
    "Lab",
    "Play",
    "Run",
    "TaskInstance",
    "assert_survived",
    "attempts",
    "play",
    "recovered",
    "tool",
    "wait_for",
    "wait_running",
]
