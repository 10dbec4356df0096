"""Time runs without changes on up to 20 worker hosts, and the CPU time that they cost the controller.

Run with ``make benchmark-fleet``: the hosts are those of the scenario ``default`` with 20 workers. Prints a
Markdown table.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import yaml

DIRECTORY = Path(".cache/lab/default")
SIZES = (20, 10, 3)
ROUNDS = 3


def inventory(workers: int) -> Path:
    """Return an inventory of the lab's control host and of its first workers, and stop the other workers."""
    lab = DIRECTORY / "hosts.yml"
    content = yaml.safe_load(lab.read_text(encoding="utf-8"))
    hosts = content["all"]["children"]["workers"]["hosts"]
    names = sorted(hosts, key=lambda name: int(name.removeprefix("worker")))
    content["all"]["children"]["workers"]["hosts"] = {name: hosts[name] for name in names[:workers]}
    others = names[workers:]
    content["all"]["hosts"] = {
        name: variables for name, variables in content["all"]["hosts"].items() if name not in others
    }
    path = DIRECTORY / f"fleet-{workers}.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    if others:
        # A worker that takes tasks and is in no inventory is a problem, which site.yml reports.
        unit = "name=airflow-worker state=stopped"
        command = ["ansible", "-i", str(lab), "-b", ",".join(others), "-m", "systemd_service", "-a", unit]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def site(path: Path, *options: str) -> tuple[float, float, int]:
    """Run site.yml and return its seconds, the CPU seconds of the controller, and the number of changes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = ["ansible-playbook", "-i", str(path), "site.yml", *options]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout[-3000:]}{result.stderr[-1000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    recap = result.stdout.rpartition("PLAY RECAP")[2]
    return seconds, cpu, sum(int(number) for number in re.findall(r"changed=(\d+)", recap))


def row(name: str, path: Path, *options: str) -> str:
    """Run site.yml three times without a change and return a row with the medians."""
    rounds = [site(path, *options) for _round in range(ROUNDS)]
    seconds, cpu, changes = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    return f"| {name} | {seconds:.1f} | {cpu:.1f} | {changes} |"


def main() -> None:
    """Measure and print."""
    print("| run | seconds | CPU seconds of the controller | changes |\n|---|---|---|---|")
    for workers in SIZES:
        path = inventory(workers)
        # The first run makes the hosts those of this inventory.
        site(path)
        print(row(f"site.yml, {workers} worker hosts", path), flush=True)
        print(row(f"site.yml --limit one of {workers} worker hosts", path, "--limit=worker1"), flush=True)


if __name__ == "__main__":
    main()
