"""Measure the effect of single settings, compared with the collection's own, on one host.

Run with ``make benchmark-settings``. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from testbed import DIRECTORY, UNPATCHED_CELERY_CONFIG, Testbed, arguments, load
from throughput import CONTROL_PLANE, pick, table

FIGURES = DIRECTORY / "settings.json"
PARTS = (*CONTROL_PLANE, "DAG processor", "worker")


@dataclass(frozen=True)
class Variant:
    """The differences to the collection: options of Airflow's units, settings of PostgreSQL and Valkey."""

    units: dict[str, dict[str, str]] = field(default_factory=dict)
    database: dict[str, str] = field(default_factory=dict)
    broker: dict[str, str] = field(default_factory=dict)

    def apply(self, testbed: Testbed) -> None:
        testbed.configure_database(self.database)
        testbed.configure_broker(self.broker)
        for unit in ("scheduler", "api-server", "dag-processor"):
            options = {f"AIRFLOW__{name}": value for name, value in self.units.get(unit, {}).items()}
            testbed.control.configure(f"airflow-{unit}", options)
        testbed.control.check_output(
            "systemctl restart airflow-scheduler airflow-api-server airflow-dag-processor"
        )
        testbed.airflow.wait_healthy()


OWN = Variant()
VARIANTS = {
    "idle-sleep-1": Variant({"scheduler": {"SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1"}}),
    "idle-sleep-0.2": Variant({"scheduler": {"SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2"}}),
    "max-tis-0": Variant({"scheduler": {"SCHEDULER__MAX_TIS_PER_QUERY": "0"}}),
    "sync-parallelism-4": Variant({"scheduler": {"CELERY__SYNC_PARALLELISM": "4"}}),
    "new-connections": Variant({"scheduler": {"CELERY__CELERY_CONFIG_OPTIONS": UNPATCHED_CELERY_CONFIG}}),
    "api-workers-2": Variant({"api-server": {"API__WORKERS": "2"}}),
    "api-log-warnings": Variant({"api-server": {"LOGGING__UVICORN_LOGGING_LEVEL": "WARNING"}}),
    "parse-every-120": Variant({"dag-processor": {"DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120"}}),
    "connections-1000": Variant(database={"max_connections": "1000"}),
    "buffers-128MB": Variant(database={"shared_buffers": "128MB"}),
    "no-wait-for-disk": Variant(database={"synchronous_commit": "off"}),
    "broker-in-memory": Variant(broker={"appendonly": "no"}),
    "broker-syncs-always": Variant(broker={"appendfsync": "always"}),
}

Figures = dict[str, Any]


def idle(testbed: Testbed, seconds: float) -> dict[str, float]:
    """Return what each service of the control host uses of a core while idle."""
    before, started = testbed.read("cpu", [testbed.control]), time.monotonic()
    time.sleep(seconds)
    spent, ended = testbed.read("cpu", [testbed.control]), time.monotonic()
    return {name: (spent[name] - before[name]) / (ended - started) for name in PARTS}


def measure(testbed: Testbed, name: str, variant: Variant, options: argparse.Namespace) -> list[Figures]:
    variant.apply(testbed)
    testbed.run(options.warm_up, [])
    runs = [{"name": name, "dag": dag, **testbed.run(dag, [testbed.control])} for dag in options.dags]
    at_rest = idle(testbed, options.seconds)
    seconds = ", ".join(f"{run['seconds']:.1f} s" for run in runs)
    print(f"{name}: {seconds}, load {load():.1f}", file=sys.stderr)
    return [{**run, "idle": at_rest} for run in runs]


def report(runs: list[Figures]) -> str:
    dags = list(dict.fromkeys(run["dag"] for run in runs))
    rows = [["difference", *(f"{dag}, s" for dag in dags)]]
    rows[0] += [f"{part}, CPU ms per task" for part in PARTS] + ["idle control host, % of a core", "load"]
    for name in dict.fromkeys(run["name"] for run in runs):
        chosen = [pick(runs, name=name, dag=dag) for dag in dags]
        first = chosen[0]
        rows.append(
            [
                name,
                *(f"{run['seconds']:.1f}" for run in chosen),
                *(f"{1000 * first['cpu'].get(part, 0):.1f}" for part in PARTS),
                f"{100 * sum(first['idle'].values()):.1f}",
                f"{first['load']:.1f}",
            ]
        )
    return table(*rows)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("settings", nargs="*", default=list(VARIANTS), help=", ".join(VARIANTS))
    parser.add_argument("--dags", nargs="+", default=["wide_200", "chain_20"])
    parser.add_argument("--warm-up", default="wide_50")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15, help="how long to measure each while idle")
    options = parser.parse_args()

    testbed = Testbed(as_is=options.as_is)
    runs: list[Figures] = []
    try:
        testbed.run_workers(["control"], options.slots)
        # The collection's own settings are measured repeatedly: how much their figures differ is the noise.
        for number, name in enumerate(options.settings):
            if number % 3 == 0:
                runs += measure(testbed, f"as delivered, {number // 3 + 1}", OWN, options)
            runs += measure(testbed, name, VARIANTS[name], options)
            FIGURES.write_text(json.dumps(runs, indent=1), encoding="utf-8")
        runs += measure(testbed, "as delivered, at the end", OWN, options)
    finally:
        testbed.configure_database({})
        testbed.configure_broker({})
        testbed.reset()
    print(report(runs))


if __name__ == "__main__":
    main()
