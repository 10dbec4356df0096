"""What watching over the workers costs, beside the health check of Airflow's own compose file.

Run with ``make benchmark-health``: on the hosts of the scenario ``throughput``. Prints a Markdown table.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from cluster import Cluster, arguments, load

if TYPE_CHECKING:
    from testlib import Host

# How often the compose file has each worker checked, in seconds; and how often airflow-fleet-check runs.
OFFICIAL_INTERVAL = 30
CHECK_INTERVAL = 5
TIMES = 5
OFFICIAL = (
    "/opt/airflow/current/bin/celery --app=airflow.providers.celery.executors.celery_executor.app"
    " inspect ping --destination=celery@{name}"
)
CHECK = "/opt/airflow/lakehouse/bin/fleet-check"
CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
"""


def cpu_of(host: Host, settings: str, command: str) -> float:
    """Give the CPU seconds of a command that is run as the services are: the median of some."""
    run = "systemd-run --quiet --collect --wait --pipe --uid=airflow --property=EnvironmentFile=%s"
    run += f" python3 -c %s {command}"
    times = [float(host.check_output(run, settings, CHILD)) for _ in range(TIMES)]
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to follow the watch")
    options = parser.parse_args()
    cluster = Cluster(as_is=options.as_is)
    workers, watch = cluster.lab.hosts("workers"), cluster.lab.one("flower")

    before = cluster.read("cpu", [watch])["watch"]
    time.sleep(options.seconds)
    following = (cluster.read("cpu", [watch])["watch"] - before) / options.seconds
    check = cpu_of(watch, "/etc/airflow/fleet.env", CHECK)
    official = cpu_of(workers[-1], "/etc/airflow/worker.env", OFFICIAL.format(name=workers[-1].name))

    theirs = 100 * official / OFFICIAL_INTERVAL
    ours = 100 * (following + check / CHECK_INTERVAL)
    rows = [
        ("", f"% of a core, {len(workers)} workers"),
        ("---", "---"),
        (f"compose file, {official:.2f} CPU s a check", f"{theirs * len(workers):.2f}"),
        (f"the watch: {100 * following:.2f}, and {1000 * check:.0f} ms a check", f"{ours:.2f}"),
        ("ratio", f"{ours / theirs / len(workers):.3f}"),
        ("ratio if there were one worker, at most", f"{ours / theirs:.3f}"),
    ]
    print("\n".join(f"| {name} | {value} |" for name, value in rows))
    print(f"\nLoad {load():.1f}.")


if __name__ == "__main__":
    main()
