"""Inject faults into a running cluster in a random order that the seed reproduces, and count lost tasks.

Meanwhile playbooks of operators run; one that a fault has stopped is run again, as an operator would. Run
with ``make soak``, on the hosts of the scenario ``resilience``. Prints three Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from testlib import Cluster, Run, faults, run_playbook, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from testlib import Host

DURATION = 20
# While a playbook moves the cluster to another environment, each service is away for a while.
HEALTHY_TIMEOUT = 600
RUNS_OF_A_PLAYBOOK = 10
TABLE = """
    CREATE TABLE rows (
        run text, number int, try int, host text, at timestamptz DEFAULT clock_timestamp()
    )
"""


# Faults that testlib.faults does not have, or for DURATION seconds. Each returns when it is over.


def kill_slot(worker: Host) -> None:
    """Kill the oldest process of the pool and its task, as the kernel does when memory is short."""
    worker.check_output(
        "main=$(systemctl show --value --property=MainPID airflow-worker)"
        " && slot=$(pgrep --oldest --parent $main --full 'ForkPool|supervisor')"
        " && { pkill --signal KILL --parent $slot; kill -KILL $slot; }"
    )


def restart(host: Host, unit: str) -> None:
    host.check_output("systemctl restart %s", unit)


def stop(host: Host, unit: str) -> None:
    with faults.stopped(unit, host):
        time.sleep(DURATION)


def freeze(host: Host, unit: str) -> None:
    with faults.frozen(host, unit):
        time.sleep(DURATION)


def freeze_until_watchdog(worker: Host, unit: str) -> None:
    before = worker.unit(unit)
    faults.kill(worker, unit, "STOP")
    # Or by a playbook that changes its settings at this time.
    wait_for(
        "restart by the watchdog",
        lambda: worker.unit(unit)["InvocationID"],
        lambda now: now != before["InvocationID"],
        timeout=120,
    )


def partition(worker: Host, port: int) -> None:
    with faults.network_partition(worker, port):
        time.sleep(DURATION)


class Soak:
    """A cluster with tasks and faults, and what became of the tasks."""

    def __init__(self, seed: int) -> None:
        self.cluster = Cluster("resilience")
        self.control = self.cluster.one("postgres")
        # Operations drain the last worker, so faults are injected into the others.
        *self.workers, self.drained = self.cluster.hosts("workers")
        self.random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self.airflow = self.cluster.airflow()
        self.runs: list[Run] = []
        self.recoveries: dict[str, list[float]] = defaultdict(list)
        self.operations: dict[str, list[tuple[int, float]]] = defaultdict(list)

    def prepare(self) -> None:
        """Create the table in the database of the results, which workers reach, and the connection to it."""
        password = f"{self.random.getrandbits(64):x}"
        self.database = self.cluster.database("results")
        (owner,) = self.control.sql(
            self.database,
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()",
        )
        self.control.sql(self.database, f"CREATE ROLE soak LOGIN PASSWORD '{password}' IN ROLE \"{owner}\"")
        self.control.sql(self.database, "CREATE SCHEMA soak AUTHORIZATION soak")
        self.control.sql(self.database, f"SET ROLE soak; {TABLE}")
        connection = {"conn_type": "postgres", "host": "postgres", "schema": self.database, "login": "soak"}
        self.airflow.call(
            "POST", "connections", {"connection_id": "soak", "password": password, **connection}
        )

    def available_faults(self) -> dict[str, tuple[Host, Callable[[], None]]]:
        """Return the faults, each with the host to inject it into this time."""
        control, worker = self.control, self.random.choice(self.workers)

        def on_control(inject: Callable[..., None], *args: str) -> tuple[Host, Callable[[], None]]:
            return control, lambda: inject(control, *args)

        def on_worker(inject: Callable[..., None], *args: str | int) -> tuple[Host, Callable[[], None]]:
            return worker, lambda: inject(worker, *args)

        return {
            "Valkey killed": on_control(faults.kill, "valkey-server"),
            f"Valkey stopped for {DURATION} s": on_control(stop, "valkey-server"),
            f"Valkey hung for {DURATION} s": on_control(freeze, "valkey-server"),
            "PostgreSQL killed": on_control(faults.kill, "postgresql@*"),
            f"PostgreSQL stopped for {DURATION} s": on_control(stop, "postgresql"),
            "scheduler killed": on_control(faults.kill, "airflow-scheduler"),
            "API server killed": on_control(faults.kill, "airflow-api-server"),
            "worker killed": on_worker(faults.kill, "airflow-worker"),
            "worker restarted gracefully": on_worker(restart, "airflow-worker"),
            f"worker hung for {DURATION} s": on_worker(freeze, "airflow-worker"),
            "worker hung until its watchdog restarts it": on_worker(freeze_until_watchdog, "airflow-worker"),
            "slot of a worker killed with its task": on_worker(kill_slot),
            f"worker partitioned from the broker for {DURATION} s": on_worker(partition, faults.BROKER_PORT),
            f"worker partitioned from the API for {DURATION} s": on_worker(partition, faults.API_PORT),
        }

    def count(self, where: str) -> int:
        return int(self.control.sql("airflow", f"SELECT count(*) FROM task_instance WHERE {where}")[0])  # noqa: S608

    def ended_since(self, moment: float, target: Host) -> int:
        """Count the tasks that ended since a moment; after a fault of a worker, those of that worker."""
        if self.control.run("pg_isready").rc != 0:
            return 0
        where = f"dag_id = 'lab_soak' AND state = 'success' AND end_date > to_timestamp({moment})"
        if target in self.workers:
            where += f" AND hostname = '{target.name}'"
        return self.count(where)

    def unfinished(self) -> int:
        return self.count("dag_id = 'lab_soak' AND state IS DISTINCT FROM 'success'")

    def unhealthy(self) -> list[str]:
        """Return what is unhealthy, apart from the worker that is drained."""
        found = self.cluster.unhealthy({self.drained.name})
        return [problem for problem in found if self.drained.name not in problem]

    def add_tasks(self) -> None:
        """Keep the workers busy."""
        if not self.runs or self.unfinished() < 30:
            self.runs.append(self.airflow.trigger("lab_soak"))

    def run_playbooks(self, operation: str, *playbooks: tuple[str, ...]) -> None:
        """Run playbooks one after the other, each again when a fault has stopped it."""
        begin, runs = time.time(), 0
        for name, *arguments in playbooks:
            for attempt in range(1, RUNS_OF_A_PLAYBOOK + 1):
                runs += 1
                result = run_playbook(self.cluster.inventory, name, *arguments)
                if result.returncode == 0:
                    break
                print(f"run {attempt} of {name}.yml failed:\n{result.output[-2000:]}", file=sys.stderr)
            else:
                sys.exit(f"{name}.yml failed {RUNS_OF_A_PLAYBOOK} times")
        self.operations[operation].append((runs, time.time() - begin))

    def operate(self, backups: str) -> None:
        """Drain and resume a worker, back up, rotate a secret, and move the cluster to another one."""
        limit = f"--limit={self.drained.name}"
        self.run_playbooks("worker drained and resumed", ("drain", limit), ("resume", limit))
        self.run_playbooks("backup", ("backup", f"--extra-vars=airflow_backup_directory={backups}"))
        self.run_playbooks(
            "broker password rotated",
            ("rotate_secrets", "--extra-vars=airflow_rotate=airflow_broker_password"),
        )
        packages = json.dumps({"airflow_extra_packages": ["cowsay==6.1"]})
        self.run_playbooks("another environment for all services", ("site", f"--extra-vars={packages}"))

    def inject_until(self, deadline: float, operations: Future[None]) -> None:
        """Inject faults until the deadline, and until the operations have ended."""
        order: list[str] = []
        while time.time() < deadline or not operations.done():
            wait_for("a healthy cluster", self.unhealthy, [].__eq__, timeout=HEALTHY_TIMEOUT)
            self.add_tasks()
            order = order or self.random.sample(names := sorted(self.available_faults()), len(names))
            name = order.pop()
            target, inject = self.available_faults()[name]
            print(f"{time.strftime('%H:%M:%S')} {name}, on {target}", file=sys.stderr, flush=True)
            inject()
            fault_end = time.time()
            wait_for(
                f"a task after: {name}", partial(self.ended_since, fault_end, target), timeout=HEALTHY_TIMEOUT
            )
            self.recoveries[name].append(time.time() - fault_end)
            time.sleep(self.random.uniform(0, 5))

    def finish(self) -> None:
        for run in self.runs:
            run.wait(timeout=900)

    def operation_table(self) -> str:
        rows = [
            f"| {name} | {runs} | {seconds:.0f} |"
            for name, done in self.operations.items()
            for runs, seconds in done
        ]
        return "\n".join(["| operation | runs of its playbooks | s |", "|---|---|---|", *rows])

    def recovery_table(self) -> str:
        rows = [
            f"| {name} | {len(times)} | {statistics.median(times):.1f} | {max(times):.1f} |"
            for name, times in sorted(self.recoveries.items())
        ]
        return "\n".join(["| fault | times | median, s | worst, s |", "|---|---|---|---|", *rows])

    def counts(self) -> dict[str, int]:
        """Count tasks and rows; a surplus row is from a try of which Airflow never got the result."""
        (tasks,) = self.control.sql(
            "airflow",
            "SELECT json_build_object('tasks', count(*), 'retries', sum(try_number - 1),"
            " 'succeeded', count(*) FILTER (WHERE state = 'success'))"
            " FROM task_instance WHERE dag_id = 'lab_soak'",
        )
        (rows,) = self.control.sql(
            self.database,
            "SELECT json_build_object('with a row', count(*), 'surplus rows', sum(rows - 1),"
            " 'tries with two rows', sum(rows - tries))"
            " FROM (SELECT count(*) AS rows, count(DISTINCT try) AS tries"
            " FROM soak.rows GROUP BY run, number) AS task",
        )
        counts: dict[str, int] = {
            "faults": sum(map(len, self.recoveries.values())),
            **json.loads(tasks),
            **json.loads(rows),
        }
        return {**counts, "lost": counts["tasks"] - counts["with a row"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    soak = Soak(options.seed)
    soak.prepare()
    with tempfile.TemporaryDirectory() as backups, ThreadPoolExecutor(max_workers=1) as pool:
        operations = pool.submit(soak.operate, backups)
        soak.inject_until(time.time() + 60 * options.minutes, operations)
        operations.result()
    soak.finish()
    counts = soak.counts()
    unhealthy = soak.cluster.unhealthy()
    print(f"Seed {options.seed}, {options.minutes:g} minutes of faults.\n")
    print("| " + " | ".join(counts) + " |\n" + "|---" * len(counts) + "|")
    print("| " + " | ".join(map(str, counts.values())) + " |\n")
    print(soak.operation_table() + "\n")
    print(soak.recovery_table())
    repeated = counts["tries with two rows"]
    if counts["lost"] or repeated or counts["succeeded"] != counts["tasks"] or unhealthy:
        sys.exit(f"lost: {counts['lost']}, unhealthy: {unhealthy or 'none'}\n{soak.cluster.journals()}")


if __name__ == "__main__":
    main()
