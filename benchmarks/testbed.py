"""The cluster the benchmarks measure: its switches and its meters."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from typing import Any

from testlib import PROJECT, Host, Lab, play, wait_for

FOLDER = PROJECT / ".cache" / "lab" / "throughput"
COMPONENTS = {
    "airflow-scheduler": "scheduler",
    "airflow-api-server": "API server",
    "postgresql": "PostgreSQL",
    "valkey-server": "Valkey",
    "airflow-worker": "worker",
    "airflow-flower": "Flower",
    "airflow-dag-processor": "DAG processor",
    "airflow-triggerer": "triggerer",
    "airflow-fleet": "watch",
}
OTHER = "other services"
# A worker without the collection's module. Nothing tells systemd then that it is ready, or alive.
WITHOUT_MODULE = "Type=exec\nWatchdogSec=0\n"
AIRFLOWS_OWN = "airflow.providers.celery.executors.default_celery.DEFAULT_CELERY_CONFIG"
# CPU seconds or memory (PSS, MB) of each service of a host, "" for all together. A control group also counts
# the processes it has had. Where the machine has cgroup v1, version 2 stands beside it. SSH is who measures.
METER = """
import json, pathlib, sys
root = pathlib.Path("/sys/fs/cgroup")
if not (root / "system.slice").is_dir():
    root /= "unified"
def read(path):
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
def cpu(folder):
    return int((read(folder / "cpu.stat").split() or [0, 0])[1]) / 1e6
def pss(folder):
    total = 0
    for pid in read(folder / "cgroup.procs").split():
        rollup = read(pathlib.Path("/proc", pid, "smaps_rollup")).splitlines()
        total += next((int(line.split()[1]) for line in rollup if line.startswith("Pss:")), 0)
    return total / 1024
meter = cpu if sys.argv[1] == "cpu" else pss
slice = root / "system.slice"
units = {folder.name: meter(folder) for folder in slice.rglob("*.service")}
units[""] = cpu(slice) if meter is cpu else sum(units.values())
units[""] -= units.pop("ssh.service", 0)
print(json.dumps(units))
"""

# Seconds a run took and, as median and 95th percentile, what its tasks waited for.
TIMES = """
    SELECT json_build_object(
        'tasks', count(*),
        'bad', count(*) FILTER (WHERE state <> 'success' OR try_number <> 1),
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
    """Give a parser with what all benchmarks know."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--as-is", action="store_true", help="do not run site.yml first")
    return parser


def component(unit: str) -> str:
    return COMPONENTS.get(unit.removesuffix(".service").partition("@")[0].removesuffix("-copy"), OTHER)


def load() -> float:
    """Give the machine's load average: what else it was doing."""
    return os.getloadavg()[0]


class Cluster:
    def __init__(self, *, as_is: bool) -> None:
        """Bring the hosts to what the sources say, with the benchmarks' DAGs; or leave them as they are."""
        self.lab = Lab(FOLDER)
        self.control = self.lab.one("schedulers")
        if not as_is:
            dags = PROJECT / "benchmarks" / "dags"
            play(self.lab.inventory, f"--extra-vars=airflow_dags_source={dags}").assert_passed()
        self.airflow = self.lab.airflow()

    # Switches

    def schedule(self, executor: str) -> None:
        """Have the scheduler use an executor."""
        self.control.configure("airflow-scheduler", {"AIRFLOW__CORE__EXECUTOR": executor})
        self.control.check_output("systemctl restart airflow-scheduler")

    def run_workers(self, names: list[str], concurrency: int, *, module: bool = True) -> None:
        """Run the workers of these hosts, with as many slots each, and no others."""
        extra = "" if module else WITHOUT_MODULE
        options = {} if module else {"AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": AIRFLOWS_OWN}
        for host in self.lab.hosts("workers"):
            if host.name not in names:
                host.check_output("systemctl stop airflow-worker")
                continue
            start = host.check_output("sed -n s/^ExecStart=//p /etc/systemd/system/airflow-worker.service")
            words = start.split()
            words[words.index("--concurrency") + 1] = str(concurrency)
            host.configure("airflow-worker", options, f"ExecStart=\nExecStart={' '.join(words)}\n{extra}")
            host.check_output("systemctl restart airflow-worker")
        self.wait_workers(names)

    def wait_workers(self, names: list[str]) -> None:
        ping = f"/opt/airflow/lakehouse/bin/ping-workers 5 {' '.join(names)}"
        if names:
            wait_for(f"answers of {names}", lambda: self.control.run(ping).rc == 0, timeout=180)

    def tune_database(self, settings: dict[str, str]) -> None:
        """Give PostgreSQL other settings, or its own back."""
        for statement in ["RESET ALL", *(f"SET {name} = '{value}'" for name, value in settings.items())]:
            self.control.sql("postgres", f"ALTER SYSTEM {statement}")
        self.control.check_output("systemctl restart 'postgresql@*'")

    def tune_broker(self, settings: dict[str, str]) -> None:
        """Give Valkey other settings, or its own back."""
        self.control.check_output("systemctl restart valkey-server")
        for name, value in settings.items():
            self.control.check_output(f"/usr/local/sbin/valkey-admin CONFIG SET {name} {value}")

    def start_copies(self, host: Host, numbers: list[int]) -> list[str]:
        """Start more workers on a host, each with a name of its own, and give their names."""
        host.check_output(
            "sed -e '/^ExecStart=/s|$| --celery-hostname copy%i --pid /var/lib/airflow/copy%i.pid|'"
            " -e '/^EnvironmentFile=/iEnvironment=AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=2%i'"
            " /etc/systemd/system/airflow-worker.service >/run/systemd/system/airflow-worker-copy@.service"
            " && systemctl daemon-reload && systemctl start "
            + " ".join(f"airflow-worker-copy@{number}" for number in numbers)
        )
        return [f"copy{number}" for number in numbers]

    def reset(self) -> None:
        """Give every host its own settings back."""
        for host in self.lab.hosts():
            host.check_output(
                "systemctl stop 'airflow-worker-copy@*'; rm -f /run/systemd/system/airflow-worker-copy@*"
            )
            host.unconfigure()
            host.check_output("systemctl restart airflow.target")

    # Meters

    def read(self, meter: str, hosts: list[Host]) -> Amounts:
        """Add up "cpu" or "pss" over hosts, by component."""
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
        """Wait for a condition inside the database: asking from outside costs what is to be measured."""
        loop = f"BEGIN WHILE NOT ({condition}) LOOP PERFORM pg_sleep(0.5); END LOOP; END"
        self.sql(f"SET statement_timeout = '20min'; DO $$ {loop} $$")

    def run(self, dag: str, watched: list[Host]) -> dict[str, Any]:
        """Run a DAG and give what it took: times from the database, CPU and memory by component."""
        before = self.read("cpu", watched)
        run_id = self.airflow.trigger(dag).run_id
        where = f"dag_id = '{dag}' AND run_id = '{run_id}'"
        self.wait_sql(
            f"(SELECT avg((state IS NOT NULL AND state IN ('success', 'failed'))::int) > 0.5"  # noqa: S608
            f" FROM task_instance WHERE {where})"
        )
        memory = self.read("pss", watched)
        self.wait_sql(f"(SELECT state IN ('success', 'failed') FROM dag_run WHERE {where})")  # noqa: S608
        spent = self.read("cpu", watched)
        spent.subtract(before)
        times = json.loads(self.sql(TIMES.format(where=where)))
        assert times["bad"] == 0, f"{times['bad']} tasks of {dag} {run_id} did not succeed at once"
        return {
            **times,
            "rate": times["tasks"] / times["seconds"],
            "cpu": {name: seconds / times["tasks"] for name, seconds in spent.items()},
            "memory": dict(memory),
            "load": load(),
        }
