"""Measure what the worker monitor costs, compared with the health check of Airflow's own compose file.

Run with ``make benchmark-health``: on the hosts of the scenario ``throughput``. Prints a Markdown table.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from testbed import Testbed, arguments, load

if TYPE_CHECKING:
    from testlib import Host

# Seconds between the compose file's checks of each worker, and between the runs of airflow-worker-health.
OFFICIAL_INTERVAL = 30
CHECK_INTERVAL = 5
TIMES = 5
OFFICIAL = (
    "/opt/airflow/current/bin/celery --app=airflow.providers.celery.executors.celery_executor.app"
    " inspect ping --destination=celery@{name}"
)
CHECK = "/opt/airflow/worker-monitor/current/check-workers"
CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
"""


def cpu_of(host: Host, service: str, command: str) -> float:
    """Return the CPU seconds of a command with user and environment of a service, the median of some runs."""
    run = "systemd-run --quiet --collect --wait --pipe --uid=airflow-%s --property=EnvironmentFile=%s"
    run += f" python3 -c %s {command}"
    settings = f"/etc/airflow/{service}.env"
    times = [float(host.check_output(run, service, settings, CHILD)) for _run in range(TIMES)]
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to measure the worker monitor")
    options = parser.parse_args()
    testbed = Testbed(as_is=options.as_is)
    workers, monitor = testbed.cluster.hosts("workers"), testbed.cluster.one("flower")

    before = testbed.read("cpu", [monitor])["worker monitor"]
    time.sleep(options.seconds)
    monitoring = (testbed.read("cpu", [monitor])["worker monitor"] - before) / options.seconds
    check = cpu_of(monitor, "worker-monitor", CHECK)
    official = cpu_of(workers[-1], "worker", OFFICIAL.format(name=workers[-1].name))

    theirs = 100 * official / OFFICIAL_INTERVAL
    ours = 100 * (monitoring + check / CHECK_INTERVAL)
    rows = [
        ("", f"% of a core, {len(workers)} workers"),
        ("---", "---"),
        (f"compose file, {official:.2f} CPU s per check", f"{theirs * len(workers):.2f}"),
        (f"worker monitor: {100 * monitoring:.2f}, and {1000 * check:.0f} ms per check", f"{ours:.2f}"),
        ("ratio", f"{ours / theirs / len(workers):.3f}"),
        ("ratio if there were one worker, at most", f"{ours / theirs:.3f}"),
    ]
    print("\n".join(f"| {name} | {value} |" for name, value in rows))
    print(f"\nLoad {load():.1f}.")


if __name__ == "__main__":
    main()
