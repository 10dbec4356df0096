"""Break a running cluster for a while, in a random order that a seed repeats, and count what was lost.

Run with ``make soak``: the hosts are those of the scenario. Prints two Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from testlib import PROJECT, Lab, Run, faults, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from testlib import Host

AWAY = 20
TABLE = """
    CREATE TABLE rows (
        run text, number int, try int, host text, at timestamptz DEFAULT clock_timestamp()
    )
"""


class Soak:
    """The cluster, what strikes it, and what becomes of its tasks."""

    def __init__(self, seed: int) -> None:
        self.lab = Lab(PROJECT / ".cache" / "lab" / "resilience")
        self.control = self.lab.one("postgres")
        self.workers = self.lab.hosts("workers")
        self.random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.airflow = self.lab.airflow()
        self.runs: list[Run] = []
        self.recoveries: dict[str, list[float]] = defaultdict(list)

    def prepare(self) -> None:
        """Make the table, in a database of its own, and tell the tasks where it is."""
        password = f"{self.random.getrandbits(64):x}"
        self.control.sql("postgres", f"CREATE ROLE soak LOGIN PASSWORD '{password}'")
        self.control.sql("postgres", "CREATE DATABASE soak OWNER soak")
        self.control.sql("soak", f"SET ROLE soak; {TABLE}")
        access = self.control.sql("postgres", "SHOW hba_file")[0]
        self.control.check_output("echo host soak soak samenet scram-sha-256 >>%s", access)
        self.control.sql("postgres", "SELECT pg_reload_conf()")
        connection = {"conn_type": "postgres", "host": "postgres", "schema": "soak", "login": "soak"}
        self.airflow.call(
            "POST", "connections", {"connection_id": "soak", "password": password, **connection}
        )

    # Faults. Each returns when it is over, whatever is left to mend.

    def kill_slot(self, worker: Host) -> None:
        """Kill the oldest process of the pool, and what it runs, as the kernel does when memory is short."""
        worker.check_output(
            "main=$(systemctl show --value --property=MainPID airflow-worker)"
            " && slot=$(pgrep --oldest --parent $main --full 'ForkPool|supervisor')"
            " && { pkill --signal KILL --parent $slot; kill -KILL $slot; }"
        )

    def stop(self, host: Host, unit: str) -> None:
        with faults.stopped(unit, host):
            time.sleep(AWAY)

    def hang(self, host: Host, unit: str) -> None:
        with faults.hung(host, unit):
            time.sleep(AWAY)

    def hang_for_good(self, worker: Host) -> None:
        before = worker.unit("airflow-worker")
        faults.kill(worker, "airflow-worker", "STOP")
        wait_for(
            "the watchdog",
            lambda: worker.unit("airflow-worker")["NRestarts"],
            lambda now: now != before["NRestarts"],
            timeout=120,
        )

    def cut_off(self, worker: Host, port: int) -> None:
        with faults.cut_off(worker, port):
            time.sleep(AWAY)

    def kinds(self) -> dict[str, tuple[Host, Callable[[], None]]]:
        """Give the faults, each with where it strikes this time."""
        control, worker = self.control, self.random.choice(self.workers)

        def on_control(strike: Callable[..., None], *args: str) -> tuple[Host, Callable[[], None]]:
            return control, lambda: strike(control, *args)

        def on_worker(strike: Callable[..., None], *args: str | int) -> tuple[Host, Callable[[], None]]:
            return worker, lambda: strike(worker, *args)

        return {
            "Valkey killed": on_control(faults.kill, "valkey-server"),
            f"Valkey stopped for {AWAY} s": on_control(self.stop, "valkey-server"),
            f"Valkey hung for {AWAY} s": on_control(self.hang, "valkey-server"),
            "PostgreSQL killed": on_control(faults.kill, "postgresql@*"),
            f"PostgreSQL stopped for {AWAY} s": on_control(self.stop, "postgresql"),
            "scheduler killed": on_control(faults.kill, "airflow-scheduler"),
            "API server killed": on_control(faults.kill, "airflow-api-server"),
            "worker killed": on_worker(faults.kill, "airflow-worker"),
            "worker restarted in good order": on_worker(
                lambda host: host.check_output("systemctl restart airflow-worker")
            ),
            f"worker hung for {AWAY} s": on_worker(self.hang, "airflow-worker"),
            "worker hung until its watchdog ends it": on_worker(self.hang_for_good),
            "slot of a worker killed with its task": on_worker(self.kill_slot),
            f"worker cut off from the broker for {AWAY} s": on_worker(self.cut_off, faults.BROKER_PORT),
            f"worker cut off from the API for {AWAY} s": on_worker(self.cut_off, faults.API_PORT),
        }

    # The run

    def count(self, where: str) -> int:
        return int(self.control.sql("airflow", f"SELECT count(*) FROM task_instance WHERE {where}")[0])  # noqa: S608

    def ended_since(self, moment: float, target: Host) -> int:
        """Count the tasks that ended since; after a worker's fault, those of that worker."""
        if self.control.run("pg_isready").rc != 0:
            return 0
        where = f"dag_id = 'lab_soak' AND state = 'success' AND end_date > to_timestamp({moment})"
        if target in self.workers:
            where += f" AND hostname = '{target.name}'"
        return self.count(where)

    def left(self) -> int:
        return self.count("dag_id = 'lab_soak' AND state IS DISTINCT FROM 'success'")

    def feed(self) -> None:
        """Keep the workers busy."""
        if not self.runs or self.left() < 30:
            self.runs.append(self.airflow.trigger("lab_soak"))

    def strike(self, deadline: float) -> None:
        order: list[str] = []
        while time.time() < deadline:
            self.lab.wait_well(timeout=120)
            self.feed()
            order = order or self.random.sample(kinds := sorted(self.kinds()), len(kinds))
            kind = order.pop()
            target, strike = self.kinds()[kind]
            print(f"{time.strftime('%H:%M:%S')} {kind}, on {target}", file=sys.stderr, flush=True)
            strike()
            mended = time.time()
            wait_for(f"a task after: {kind}", partial(self.ended_since, mended, target), timeout=120)
            self.recoveries[kind].append(time.time() - mended)
            time.sleep(self.random.uniform(0, 5))

    def finish(self) -> None:
        for run in self.runs:
            run.wait(timeout=900)

    # The account

    def recovery_table(self) -> str:
        rows = [
            f"| {kind} | {len(times)} | {statistics.median(times):.1f} | {max(times):.1f} |"
            for kind, times in sorted(self.recoveries.items())
        ]
        return "\n".join(["| fault | times | median, s | worst, s |", "|---|---|---|---|", *rows])

    def account(self) -> dict[str, int]:
        """Count tasks and rows; a row too many is that of a try whose end Airflow never learned of."""
        (tasks,) = self.control.sql(
            "airflow",
            "SELECT json_build_object('tasks', count(*), 'retries', sum(try_number - 1),"
            " 'succeeded', count(*) FILTER (WHERE state = 'success'))"
            " FROM task_instance WHERE dag_id = 'lab_soak'",
        )
        (rows,) = self.control.sql(
            "soak",
            "SELECT json_build_object('with a row', count(*), 'rows too many', sum(rows - 1),"
            " 'rows of one try twice', sum(rows - tries))"
            " FROM (SELECT count(*) AS rows, count(DISTINCT try) AS tries"
            " FROM rows GROUP BY run, number) AS task",
        )
        counted: dict[str, int] = {
            "faults": sum(map(len, self.recoveries.values())),
            **json.loads(tasks),
            **json.loads(rows),
        }
        return {**counted, "lost": counted["tasks"] - counted["with a row"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    soak = Soak(given.seed)
    soak.prepare()
    soak.strike(time.time() + 60 * given.minutes)
    soak.finish()
    counted = soak.account()
    ailing = soak.lab.ailing()
    print(f"Seed {given.seed}, {given.minutes:g} minutes of faults.\n")
    print("| " + " | ".join(counted) + " |\n" + "|---" * len(counted) + "|")
    print("| " + " | ".join(map(str, counted.values())) + " |\n")
    print(soak.recovery_table())
    twice = counted["rows of one try twice"]
    if counted["lost"] or twice or counted["succeeded"] != counted["tasks"] or ailing:
        sys.exit(f"lost: {counted['lost']}, not well: {ailing or 'none'}\n{soak.lab.journals()}")


if __name__ == "__main__":
    main()
