"""Measure how many tasks run per second and what one costs.

LocalExecutor and Celery, workers with and without the collection's patches, one to three hosts.

Run with ``make benchmark-throughput``; ``ARGS="executors --dags wide_50"`` for a part of it. Each round
measures every setup: the machine's other load changes slowly, so a run is compared with the others of its
round, and the median over the rounds counts. Prints Markdown and writes the figures beside the lab's
inventory.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from chart import Bar, chart
from testbed import COMPONENTS, DIRECTORY, OTHER, Testbed, arguments, load

if TYPE_CHECKING:
    from collections.abc import Callable

FIGURES = DIRECTORY / "throughput.json"
# The components that every task uses, whichever host it runs on.
CONTROL_PLANE = ("scheduler", "API server", "PostgreSQL", "Valkey")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """Where tasks run: in the scheduler if slots is None, else in the workers of the hosts."""

    slots: int | None
    hosts: tuple[str, ...] = ("control",)
    patched: bool = True

    @property
    def name(self) -> str:
        if self.slots is None:
            return "LocalExecutor"
        return f"Celery, {self.slots} slots" + ("" if self.patched else ", unpatched")

    def apply(self, testbed: Testbed) -> None:
        names = [] if self.slots is None else list(self.hosts)
        testbed.run_workers(names, self.slots or 0, patched=self.patched)
        testbed.use_executor("LocalExecutor" if self.slots is None else "CeleryExecutor")


def measure(testbed: Testbed, setup: Setup, dags: list[str], warm_up: str | None) -> list[Figures]:
    """Run the DAGs, if wanted after a warm-up that uses every slot."""
    setup.apply(testbed)
    if warm_up:
        testbed.run(warm_up, [])
    runs = []
    for dag in dags:
        print(
            f"{setup.name}, {len(setup.hosts)} hosts, {dag}: load {load():.1f}",
            file=sys.stderr,
            end="",
            flush=True,
        )
        figures = testbed.run(dag, [testbed.control])
        runs.append({"dag": dag, "setup": setup.name, "hosts": len(setup.hosts), **figures})
        print(f", {figures['seconds']:.1f} s", file=sys.stderr)
    return runs


def pick(runs: list[Figures], **wanted: Any) -> Figures:
    """Return the run with the median time among those with the wanted values."""
    found = [run for run in runs if all(run[key] == value for key, value in wanted.items())]
    return sorted(found, key=lambda run: run["seconds"])[(len(found) - 1) // 2]


def ratio(runs: list[Figures], amount: Callable[[Figures], float], of: Figures, to: Figures) -> float:
    """Return the median over the rounds of the ratio of an amount between two runs."""
    return median(
        amount(pick(runs, round=number, **of)) / amount(pick(runs, round=number, **to))
        for number in unique(runs, "round")
    )


def control_plane(run: Figures) -> float:
    return sum(float(run["cpu"][name]) for name in CONTROL_PLANE)


def unique(runs: list[Figures], key: str) -> list[Any]:
    return list(dict.fromkeys(run[key] for run in runs))


def table(*rows: list[str]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body]) + "\n"


def seconds(pair: list[float]) -> str:
    return f"{pair[0]:.2f} / {pair[1]:.2f}"


def speeds(runs: list[Figures]) -> str:
    """Return the times of every DAG with every setup."""
    rows = [
        ["tasks", "setup", "s", "tasks/s", "speed", "queued to started, s", "end to next start, s", "load"]
    ]
    for dag in unique(runs, "dag"):
        shape, size = dag.split("_", 1)
        base = {"dag": dag, "setup": runs[0]["setup"]}
        for setup in unique(runs, "setup"):
            run = pick(runs, dag=dag, setup=setup)
            speed = ratio(runs, lambda run: 1 / float(run["seconds"]), {"dag": dag, "setup": setup}, base)
            rows.append(
                [
                    f"{size} {'in sequence' if shape == 'chain' else 'at once'}",
                    setup,
                    f"{run['seconds']:.1f}",
                    f"{run['rate']:.2f}",
                    f"{speed:.2f} x",
                    seconds(run["queued"]),
                    seconds(run["between"]) if shape == "chain" else "",
                    f"{run['load']:.1f}",
                ]
            )
    return table(*rows)


def costs(runs: list[Figures], what: str, digits: int) -> str:
    """Return CPU or memory by component, with a column for each setup."""
    rows = [["", *(run["setup"] for run in runs)]]
    rows += [
        [name, *(f"{run[what].get(name, 0.0):.{digits}f}" for run in runs)]
        for name in [*COMPONENTS.values(), OTHER]
    ]
    rows.append(["all", *(f"{sum(run[what].values()):.{digits}f}" for run in runs)])
    return table(*rows)


def growth(runs: list[Figures]) -> str:
    """Return what a task costs the control host with more worker hosts."""
    rows = [
        ["worker hosts", "tasks/s", *CONTROL_PLANE, "together, CPU s per task", "ratio to one host", "load"]
    ]
    for hosts in unique(runs, "hosts"):
        run = pick(runs, hosts=hosts)
        cost = ratio(runs, control_plane, {"hosts": hosts}, {"hosts": runs[0]["hosts"]})
        rows.append(
            [
                str(hosts),
                f"{run['rate']:.2f}",
                *(f"{run['cpu'][name]:.4f}" for name in CONTROL_PLANE),
                f"{control_plane(run):.4f}",
                f"{cost:.2f} x",
                f"{run['load']:.1f}",
            ]
        )
    return table(*rows)


def biggest(runs: list[Figures]) -> list[Figures]:
    """Return one run of each setup: that of the widest DAG."""
    dag = max((run for run in runs if run["dag"].startswith("wide_")), key=lambda run: run["tasks"])["dag"]
    return [pick(runs, dag=dag, setup=setup) for setup in unique(runs, "setup")]


def report(figures: dict[str, list[Figures]]) -> None:
    if runs := figures.get("executors"):
        chosen = biggest(runs)
        print(speeds(runs))
        print(f"CPU seconds per task, {chosen[0]['tasks']} at once:\n\n{costs(chosen, 'cpu', 4)}")
        print(f"Memory (PSS) halfway through, MB:\n\n{costs(chosen, 'memory', 0)}")
    if runs := figures.get("patches"):
        print(f"On two slots, including the first tasks after the worker's start:\n\n{speeds(runs)}")
        print(f"CPU seconds per task:\n\n{costs(biggest(runs), 'cpu', 4)}")
        print(f"Memory (PSS) halfway through, MB:\n\n{costs(biggest(runs), 'memory', 0)}")
    if runs := figures.get("hosts"):
        print(f"{runs[0]['tasks']} at once, 6 slots distributed over the hosts:\n\n{growth(runs)}")


def draw(runs: list[Figures]) -> str:
    """Return a chart of the widest DAG's runs."""
    chosen = biggest(runs)
    fast = [Bar(run["setup"], {"tasks/s": run["rate"]}) for run in chosen]
    parts = [*CONTROL_PLANE, "worker"]
    dear = [Bar(run["setup"], {name: run["cpu"].get(name, 0.0) for name in parts}) for run in chosen]
    return chart({f"Tasks per second, {chosen[0]['tasks']} at once": fast, "CPU seconds per task": dear})


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument(
        "parts", nargs="*", default=["executors", "patches", "hosts"], help="some of these, or report"
    )
    parser.add_argument("--slots", nargs="*", type=int, default=[2, 4, 16])
    parser.add_argument("--dags", nargs="+", default=["wide_200", "chain_20", "wide_1000"])
    parser.add_argument("--hosts", nargs="+", type=int, default=[1, 2, 3], choices=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=1, help="an odd number")
    parser.add_argument("--warm-up", default="wide_50")
    parser.add_argument("--plot", type=Path, help="file for the chart of the executors' figures")
    options = parser.parse_args()

    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    setups = {
        "executors": [Setup(None), *map(Setup, options.slots)],
        "patches": [Setup(2, patched=False), Setup(2)],
        # The same number of slots in total, so that the load of the shared machine is the same.
        "hosts": [Setup(6 // n, tuple(f"node{k + 1}" for k in range(n))) for n in options.hosts],
    }
    dags = {
        "executors": (options.dags, options.warm_up),
        "patches": (["wide_2", "wide_200"], None),
        "hosts": (["wide_200"], options.warm_up),
    }
    parts = [part for part in setups if part in options.parts]
    if parts:
        testbed = Testbed(as_is=options.as_is)
        try:
            for part in parts:
                figures[part] = []
                for number in range(options.rounds):
                    figures[part] += [
                        {"round": number, **run}
                        for setup in setups[part]
                        for run in measure(testbed, setup, *dags[part])
                    ]
                    FIGURES.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        finally:
            testbed.reset()
    report(figures)
    if options.plot:
        options.plot.write_text(draw(figures["executors"]), encoding="utf-8")


if __name__ == "__main__":
    main()
