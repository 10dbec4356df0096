"""The library of the acceptance tests and benchmarks: the lab's hosts, and clients of what runs on them."""

from testlib.airflow_api import Airflow, Run, TaskInstance
from testlib.ansible_commands import Result, killed_playbook, run_command, run_playbook, run_site
from testlib.attempts import assert_survived, attempts, wait_running
from testlib.cluster import PROJECT, Cluster
from testlib.examples import EXAMPLE_FILES, EXAMPLE_SECRETS, EXAMPLES, blocks
from testlib.flower import Flower
from testlib.host import Host
from testlib.recovery import record_recovery
from testlib.stream import Stream
from testlib.units import AIRFLOW_UNITS, GROUP_UNITS, WORKER_HEALTH, WORKER_MONITOR
from testlib.wait import wait_for

__all__ = [
    "AIRFLOW_UNITS",
    "EXAMPLES",
    "EXAMPLE_FILES",
    "EXAMPLE_SECRETS",
    "GROUP_UNITS",
    "PROJECT",
    "WORKER_HEALTH",
    "WORKER_MONITOR",
    "Airflow",
    "Cluster",
    "Flower",
    "Host",
    "Result",
    "Run",
    "Stream",
    "TaskInstance",
    "assert_survived",
    "attempts",
    "blocks",
    "killed_playbook",
    "record_recovery",
    "run_command",
    "run_playbook",
    "run_site",
    "wait_for",
    "wait_running",
]
