"""The cluster that the benchmarks measure: how to configure it and how to measure it."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from typing import Any

from testlib import PROJECT, Cluster, Host, run_site, wait_for

SCENARIO = "throughput"
DIRECTORY = PROJECT / ".cache" / "lab" / SCENARIO
COMPONENTS = {
    "airflow-scheduler": "scheduler",
    "airflow-api-server": "API server",
    "postgresql": "PostgreSQL",
    "valkey-server": "Valkey",
    "airflow-worker": "worker",
    "airflow-flower": "Flower",
    "airflow-dag-processor": "DAG processor",
    "airflow-triggerer": "triggerer",
    "airflow-worker-monitor": "worker monitor",
}
OTHER = "other services"
# Settings of a worker without the collection's patches: nothing notifies systemd of its state.
UNPATCHED_UNIT = "Type=exec\nWatchdogSec=0\n"
# LocalExecutor runs tasks in the scheduler, whose sandbox is closed to their supervisors and libraries.
TASKS_UNIT = "ProtectProc=default\nProcSubset=all\nMemoryDenyWriteExecute=false\nSystemCallFilter=@resources"
UNPATCHED_CELERY_CONFIG = "airflow.providers.celery.executors.default_celery.DEFAULT_CELERY_CONFIG"
# CPU seconds or memory (PSS, MB) of each service of a host, and of all together as "". The CPU time of a
# control group includes that of ended processes. With cgroup v1, version 2 is mounted beside it. SSH is left
# out because the measurement uses it.
METER = """
import json, pathlib, sys
root = pathlib.Path("/sys/fs/cgroup")
if not (root / "system.slice").is_dir():
    root /= "unified"
def read(path):
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""
def cpu(group):
    return int((read(group / "cpu.stat").split() or [0, 0])[1]) / 1e6
def pss(group):
    total = 0
    for pid in read(group / "cgroup.procs").split():
        rollup = read(pathlib.Path("/proc", pid, "smaps_rollup")).splitlines()
        total += next((int(line.split()[1]) for line in rollup if line.startswith("Pss:")), 0)
    return total / 1024
meter = cpu if sys.argv[1] == "cpu" else pss
slice = root / "system.slice"
units = {group.name: meter(group) for group in slice.rglob("*.service")}
units[""] = cpu(slice) if meter is cpu else sum(units.values())
units[""] -= units.pop("ssh.service", 0)
print(json.dumps(units))
"""

# The seconds of a run, and the waiting times of its tasks as median and 95th percentile.
TIMES = """
    SELECT json_build_object(
        'tasks', count(*),
        'failed', count(*) FILTER (WHERE state <> 'success' OR try_number <> 1),
        'seconds', extract(epoch FROM max(end_date) - (SELECT queued_at FROM dag_run WHERE {where})),
        'queued', percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY queued),
        'between', percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY between_tasks))
    FROM (SELECT state, try_number, end_date,
            extract(epoch FROM start_date - queued_dttm) AS queued,
            extract(epoch FROM start_date - lag(end_date) OVER (ORDER BY start_date)) AS between_tasks
          FROM task_instance WHERE {where}) AS ti
"""

Amounts = Counter[str]


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments of all benchmarks."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--as-is", action="store_true", help="do not run site.yml first")
    return parser


def component(unit: str) -> str:
    return COMPONENTS.get(unit.removesuffix(".service").partition("@")[0].removesuffix("-copy"), OTHER)


def load() -> float:
    """Return the machine's load average, which includes whatever else it runs."""
    return os.getloadavg()[0]


class Testbed:
    def __init__(self, *, as_is: bool) -> None:
        """Run site.yml with the benchmarks' DAGs first, unless the hosts are to stay as they are."""
        self.cluster = Cluster(SCENARIO)
        self.control = self.cluster.one("schedulers")
        if not as_is:
            dags = PROJECT / "benchmarks" / "dags"
            run_site(self.cluster.inventory, f"--extra-vars=airflow_dags_source={dags}").assert_success()
        self.airflow = self.cluster.airflow()

    # Configuration

    def use_executor(self, executor: str) -> None:
        """Restart the scheduler with another executor."""
        extra = TASKS_UNIT if executor == "LocalExecutor" else ""
        self.control.configure("airflow-scheduler", {"AIRFLOW__CORE__EXECUTOR": executor}, extra)
        self.control.check_output("systemctl restart airflow-scheduler")

    def run_workers(self, names: list[str], concurrency: int, *, patched: bool = True) -> None:
        """Run only the workers of these hosts, each with this number of slots."""
        extra = "" if patched else UNPATCHED_UNIT
        options = {"AIRFLOW__CELERY__WORKER_CONCURRENCY": str(concurrency)}
        if not patched:
            options["AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS"] = UNPATCHED_CELERY_CONFIG
        for host in self.cluster.hosts("workers"):
            if host.name not in names:
                host.check_output("systemctl stop airflow-worker")
                continue
            host.configure("airflow-worker", options, extra)
            host.check_output("systemctl restart airflow-worker")
        self.wait_workers(names)

    def wait_workers(self, names: list[str]) -> None:
        if names:
            wait_for(f"{names} answering a ping", lambda: self.cluster.ping(*names, timeout=5), timeout=180)

    def configure_database(self, settings: dict[str, str]) -> None:
        """Restart PostgreSQL with other settings, or without them."""
        for statement in ["RESET ALL", *(f"SET {name} = '{value}'" for name, value in settings.items())]:
            self.control.sql("postgres", f"ALTER SYSTEM {statement}")
        self.control.check_output("systemctl restart 'postgresql@*'")

    def configure_broker(self, settings: dict[str, str]) -> None:
        """Restart Valkey, then change settings."""
        self.control.check_output("systemctl restart valkey-server")
        for name, value in settings.items():
            self.control.check_output(f"/usr/local/sbin/valkey-admin CONFIG SET {name} {value}")

    def start_copies(self, host: Host, numbers: list[int]) -> list[str]:
        """Start more workers on a host, each with its own Celery name, and return the names."""
        host.check_output(
            "sed -e '/^ExecStart=/s|$| --celery-hostname copy%i --pid /var/lib/airflow/worker/copy%i.pid|'"
            " -e '/^EnvironmentFile=/iEnvironment=AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=2%i'"
            " /etc/systemd/system/airflow-worker.service >/run/systemd/system/airflow-worker-copy@.service"
            " && systemctl daemon-reload && systemctl start "
            + " ".join(f"airflow-worker-copy@{number}" for number in numbers)
        )
        return [f"copy{number}" for number in numbers]

    def reset(self) -> None:
        """Restart every host's services with the collection's settings."""
        for host in self.cluster.hosts():
            host.check_output(
                "systemctl stop 'airflow-worker-copy@*'; rm -f /run/systemd/system/airflow-worker-copy@*"
            )
            host.unconfigure()
            host.check_output("systemctl restart airflow.target")

    # Measurement

    def read(self, meter: str, hosts: list[Host]) -> Amounts:
        """Return the sum of "cpu" or "pss" over hosts, by component."""
        amounts: Amounts = Counter()
        for host in hosts:
            units = json.loads(host.check_output("python3 -c %s %s", METER, meter))
            whole = units.pop("")
            for unit, amount in units.items():
                amounts[component(unit)] += amount
            amounts[OTHER] += whole - sum(units.values())
        return amounts

    def sql(self, query: str) -> str:
        return "".join(self.control.sql("airflow", query))

    def wait_sql(self, condition: str) -> None:
        """Wait for a condition inside the database, because polling it from outside would be measured too."""
        loop = f"BEGIN WHILE NOT ({condition}) LOOP PERFORM pg_sleep(0.5); END LOOP; END"
        self.sql(f"SET statement_timeout = '20min'; DO $$ {loop} $$")

    def run(self, dag: str, hosts: list[Host]) -> dict[str, Any]:
        """Run a DAG and return its times, and CPU and memory of the hosts by component."""
        before = self.read("cpu", hosts)
        run_id = self.airflow.trigger(dag).run_id
        where = f"dag_id = '{dag}' AND run_id = '{run_id}'"
        self.wait_sql(
            f"(SELECT avg((state IS NOT NULL AND state IN ('success', 'failed'))::int) > 0.5"  # noqa: S608
            f" FROM task_instance WHERE {where})"
        )
        memory = self.read("pss", hosts)
        self.wait_sql(f"(SELECT state IN ('success', 'failed') FROM dag_run WHERE {where})")  # noqa: S608
        spent = self.read("cpu", hosts)
        spent.subtract(before)
        times = json.loads(self.sql(TIMES.format(where=where)))
        assert times["failed"] == 0, f"{times['failed']} tasks of {dag} {run_id} failed or were retried"
        return {
            **times,
            "rate": times["tasks"] / times["seconds"],
            "cpu": {name: seconds / times["tasks"] for name, seconds in spent.items()},
            "memory": dict(memory),
            "load": load(),
        }
