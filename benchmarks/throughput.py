"""Measure how fast tasks go and what one costs.

LocalExecutor beside Celery, workers with the collection's module beside workers without, one to three hosts.

Run with ``make benchmark-throughput``; ``ARGS="executors --dags wide_50"`` for a part of it. In each round
every set-up has its turn: what else the machine does changes slowly, so a run is compared with the others of
its round, and the median over the rounds counts. Prints Markdown, and keeps the figures beside the lab's
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
from cluster import COMPONENTS, FOLDER, OTHER, Cluster, arguments, load

if TYPE_CHECKING:
    from collections.abc import Callable

FIGURES = FOLDER / "throughput.json"
# What every task passes through, whichever host it runs on.
CONTROL_PLANE = ("scheduler", "API server", "PostgreSQL", "Valkey")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """Where tasks run: in the scheduler (no slots given), or in the workers of some hosts."""

    slots: int | None
    hosts: tuple[str, ...] = ("control",)
    module: bool = True

    @property
    def name(self) -> str:
        if self.slots is None:
            return "LocalExecutor"
        return f"Celery, {self.slots} slots" + ("" if self.module else ", without the module")

    def apply(self, cluster: Cluster) -> None:
        names = [] if self.slots is None else list(self.hosts)
        cluster.run_workers(names, self.slots or 0, module=self.module)
        cluster.schedule("LocalExecutor" if self.slots is None else "CeleryExecutor")


def measure(cluster: Cluster, setup: Setup, dags: list[str], warm_up: str | None) -> list[Figures]:
    """Run the DAGs, if so wished after a warm-up that gives every slot something to do."""
    setup.apply(cluster)
    if warm_up:
        cluster.run(warm_up, [])
    runs = []
    for dag in dags:
        print(
            f"{setup.name}, {len(setup.hosts)} hosts, {dag}: load {load():.1f}",
            file=sys.stderr,
            end="",
            flush=True,
        )
        figures = cluster.run(dag, [cluster.control])
        runs.append({"dag": dag, "setup": setup.name, "hosts": len(setup.hosts), **figures})
        print(f", {figures['seconds']:.1f} s", file=sys.stderr)
    return runs


def pick(runs: list[Figures], **wanted: Any) -> Figures:
    """Give the run with the median time of those that fit."""
    found = [run for run in runs if all(run[key] == value for key, value in wanted.items())]
    return sorted(found, key=lambda run: run["seconds"])[(len(found) - 1) // 2]


def ratio(runs: list[Figures], amount: Callable[[Figures], float], of: Figures, to: Figures) -> float:
    """Give the median over the rounds of how much one run's amount is of another's."""
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
    """Times of every DAG on every set-up."""
    rows = [
        ["tasks", "set-up", "s", "tasks/s", "speed", "queued to started, s", "end to next start, s", "load"]
    ]
    for dag in unique(runs, "dag"):
        shape, _, size = dag.partition("_")
        base = {"dag": dag, "setup": runs[0]["setup"]}
        for setup in unique(runs, "setup"):
            run = pick(runs, dag=dag, setup=setup)
            speed = ratio(runs, lambda run: 1 / float(run["seconds"]), {"dag": dag, "setup": setup}, base)
            rows.append(
                [
                    f"{size} {'in a row' if shape == 'chain' else 'at once'}",
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
    """CPU or memory by component, a column a set-up."""
    rows = [["", *(run["setup"] for run in runs)]]
    rows += [
        [name, *(f"{run[what].get(name, 0.0):.{digits}f}" for run in runs)]
        for name in [*COMPONENTS.values(), OTHER]
    ]
    rows.append(["all", *(f"{sum(run[what].values()):.{digits}f}" for run in runs)])
    return table(*rows)


def growth(runs: list[Figures]) -> str:
    """What a task costs the control host with more worker hosts."""
    rows = [["worker hosts", "tasks/s", *CONTROL_PLANE, "together, CPU s a task", "of one host's", "load"]]
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
    """Give one run a set-up: of the widest DAG."""
    dag = max((run for run in runs if run["dag"].startswith("wide_")), key=lambda run: run["tasks"])["dag"]
    return [pick(runs, dag=dag, setup=setup) for setup in unique(runs, "setup")]


def report(figures: dict[str, list[Figures]]) -> None:
    if runs := figures.get("executors"):
        chosen = biggest(runs)
        print(speeds(runs))
        print(f"CPU seconds a task, {chosen[0]['tasks']} at once:\n\n{costs(chosen, 'cpu', 4)}")
        print(f"Memory (PSS) halfway through, MB:\n\n{costs(chosen, 'memory', 0)}")
    if runs := figures.get("module"):
        print(f"On two slots, from the first tasks after their worker's start:\n\n{speeds(runs)}")
        print(f"CPU seconds a task:\n\n{costs(biggest(runs), 'cpu', 4)}")
        print(f"Memory (PSS) halfway through, MB:\n\n{costs(biggest(runs), 'memory', 0)}")
    if runs := figures.get("hosts"):
        print(f"{runs[0]['tasks']} at once, 6 slots shared out among the hosts:\n\n{growth(runs)}")


def draw(runs: list[Figures]) -> str:
    """Draw the widest DAG's runs."""
    chosen = biggest(runs)
    fast = [Bar(run["setup"], {"tasks/s": run["rate"]}) for run in chosen]
    parts = [*CONTROL_PLANE, "worker"]
    dear = [Bar(run["setup"], {name: run["cpu"].get(name, 0.0) for name in parts}) for run in chosen]
    return chart({f"Tasks a second, {chosen[0]['tasks']} at once": fast, "CPU seconds a task": dear})


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument(
        "parts", nargs="*", default=["executors", "module", "hosts"], help="some of these, or report"
    )
    parser.add_argument("--slots", nargs="*", type=int, default=[2, 4, 16])
    parser.add_argument("--dags", nargs="+", default=["wide_200", "chain_20", "wide_1000"])
    parser.add_argument("--hosts", nargs="+", type=int, default=[1, 2, 3], choices=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=1, help="an odd number")
    parser.add_argument("--warm-up", default="wide_50")
    parser.add_argument("--plot", type=Path, help="where to draw the executors' figures")
    options = parser.parse_args()

    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    setups = {
        "executors": [Setup(None), *map(Setup, options.slots)],
        "module": [Setup(2, module=False), Setup(2)],
        # As many slots together, so that the machine all hosts share is as busy.
        "hosts": [Setup(6 // n, tuple(f"node{k + 1}" for k in range(n))) for n in options.hosts],
    }
    dags = {
        "executors": (options.dags, options.warm_up),
        "module": (["wide_2", "wide_200"], None),
        "hosts": (["wide_200"], options.warm_up),
    }
    parts = [part for part in setups if part in options.parts]
    if parts:
        cluster = Cluster(as_is=options.as_is)
        try:
            for part in parts:
                figures[part] = []
                for number in range(options.rounds):
                    figures[part] += [
                        {"round": number, **run}
                        for setup in setups[part]
                        for run in measure(cluster, setup, *dags[part])
                    ]
                    FIGURES.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        finally:
            cluster.reset()
    report(figures)
    if options.plot:
        options.plot.write_text(draw(figures["executors"]), encoding="utf-8")


if __name__ == "__main__":
    main()
