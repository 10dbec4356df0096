"""Measure what idle workers cost, and tasks that only wait.

Run with ``make benchmark-scaling``. The first worker is a host's own, the others are copies of it on the same
few hosts. Prints Markdown and writes the figures beside the lab's inventory.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from testbed import DIRECTORY, OTHER, Testbed, arguments, load
from throughput import CONTROL_PLANE, table

FIGURES = DIRECTORY / "scaling.json"
NODES = ("node1", "node2", "node3")
CONNECTIONS = """
    SELECT json_build_object(
        'workers', count(*) FILTER (WHERE host(client_addr) IN ({nodes})),
        'control', count(*) FILTER (WHERE host(client_addr) NOT IN ({nodes})))
    FROM pg_stat_activity WHERE usename LIKE 'airflow%'
"""

Figures = dict[str, Any]


class Window:
    """A period in which no task starts: CPU use by component, and the commands that the broker got."""

    def __init__(self, testbed: Testbed, seconds: float) -> None:
        nodes = [testbed.cluster.host(name) for name in NODES]
        broker = testbed.cluster.broker()

        def read() -> tuple[float, Figures]:
            calls = {name: float(stats["calls"]) for name, stats in broker.info("commandstats").items()}
            return time.monotonic(), {
                "control": testbed.read("cpu", [testbed.control]),
                "nodes": testbed.read("cpu", nodes),
                "broker": calls,
            }

        started, before = read()
        time.sleep(seconds)
        ended, after = read()
        self.figures: Figures = {
            what: {
                name: (amount - before[what].get(name, 0)) / (ended - started)
                for name, amount in amounts.items()
            }
            for what, amounts in after.items()
        }
        self.figures["memory"] = testbed.read("pss", nodes)["worker"]
        self.figures["load"] = load()


def start(testbed: Testbed, running: int, wanted: int) -> None:
    """Start workers until the wanted number runs: a host's own, then copies on each host in turn."""
    names = []
    if running == 0 < wanted:
        testbed.run_workers([NODES[0]], 2)
    for node, host in enumerate(map(testbed.cluster.host, NODES)):
        numbers = [n for n in range(max(running, 1), wanted) if n % len(NODES) == node]
        # Four digits, because the numbers are also part of the ports at which the copies serve their logs.
        if numbers:
            names += testbed.start_copies(host, [1000 + n for n in numbers])
    testbed.wait_workers(names)


def percent(cores: float) -> str:
    return f"{100 * cores:.2f}"


def idle(runs: list[Figures]) -> str:
    """Return what each worker adds to a cluster without workers."""
    rows = [
        [
            "idle workers",
            "each: worker, % of a core",
            "its host's other services, % of a core",
            "broker commands/s",
            "database connections, fresh",
            "after tasks",
            "memory (PSS), MB",
            "all: Valkey, % of a core",
            "Flower",
            "load",
        ]
    ]
    base = runs[0]
    for run in runs[1:]:
        count = run["workers"]
        hosts = min(count, len(NODES))
        rows.append(
            [
                str(count),
                percent(run["nodes"]["worker"] / count),
                percent(run["nodes"][OTHER] / hosts),
                f"{(sum(run['broker'].values()) - sum(base['broker'].values())) / count:.2f}",
                f"{run['fresh']['workers'] / count:.1f}",
                f"{run['used']['workers'] / count:.1f}",
                f"{run['memory'] / count:.0f}",
                percent(run["control"]["Valkey"]),
                percent(run["control"]["Flower"]),
                f"{run['load']:.1f}",
            ]
        )
    return table(*rows)


def control(runs: list[Figures]) -> str:
    """Return what the control host's services use of a core while idle."""
    names = list(runs[0]["control"])
    rows = [["% of a core", *(f"{run['workers']} workers" for run in runs)]]
    rows += [[name, *(percent(run["control"].get(name, 0)) for run in runs)] for name in names]
    rows.append(["all", *(percent(sum(run["control"].values())) for run in runs)])
    rows.append(["its database connections", *(str(run["used"]["control"]) for run in runs)])
    return table(*rows)


def waiting(run: Figures, base: Figures) -> str:
    """Return what a task costs that runs and waits."""

    def each(figures: Figures, names: tuple[str, ...]) -> list[str]:
        return [f"{100 * figures[name] / run['tasks']:.3f}" for name in names]

    more = {name: run["control"][name] - base["control"][name] for name in CONTROL_PLANE}
    return table(
        ["a running task, % of a core", *CONTROL_PLANE, "worker"],
        [f"of {run['tasks']}", *each(more, CONTROL_PLANE), *each(run["nodes"], ("worker",))],
    )


def report(figures: dict[str, Any]) -> None:
    runs = figures["idle"]
    print(f"{idle(runs)}\nThe control host:\n\n{control(runs)}")
    if run := figures.get("waiting"):
        print(waiting(run, runs[-1]))


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 5, 10, 20])
    parser.add_argument("--seconds", type=float, default=30, help="how long to measure each")
    parser.add_argument("--no-tasks", action="store_true", help="leave out the tasks that wait")
    options = parser.parse_args()

    testbed = Testbed(as_is=options.as_is)
    nodes = ", ".join(f"'{testbed.cluster.host(name).address}'" for name in NODES)
    connections = CONNECTIONS.format(nodes=nodes)
    figures: dict[str, Any] = {"idle": []}
    running = 0
    try:
        testbed.run_workers([], 0)
        for count in [0, *options.workers]:
            start(testbed, running, count)
            running = count
            fresh = json.loads(testbed.sql(connections))
            if count:
                testbed.run("wide_50", [])
                time.sleep(5)
            window = Window(testbed, options.seconds).figures
            used = json.loads(testbed.sql(connections))
            figures["idle"].append({"workers": count, "fresh": fresh, "used": used, **window})
            FIGURES.write_text(json.dumps(figures, indent=1), encoding="utf-8")
            print(f"{count} workers: load {window['load']:.1f}", file=sys.stderr)
        if not options.no_tasks:
            run = testbed.airflow.trigger("wait_32")
            tasks = min(32, 2 * running)
            where = f"dag_id = 'wait_32' AND run_id = '{run.run_id}' AND state = 'running'"
            testbed.wait_sql(f"(SELECT count(*) >= {tasks} FROM task_instance WHERE {where})")  # noqa: S608
            figures["waiting"] = {"tasks": tasks, **Window(testbed, 30).figures}
            FIGURES.write_text(json.dumps(figures, indent=1), encoding="utf-8")
            run.mark_failed()
    finally:
        testbed.reset()
    report(figures)


if __name__ == "__main__":
    main()
