"""Time the installation, compared with one by hand, runs without changes, and what an operator does daily.

Run with ``make benchmark-install``: the hosts come from the scenario ``benchmark``. Prints a Markdown table.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(".cache/lab/benchmark")
CONTROL = ("postgres", "valkey", "schedulers", "webservers", "flower")
LOCKS = Path("roles/airflow_runtime/files/locks")


def run(command: list[str], log: str) -> float:
    """Run ``command`` into a log file and return its seconds; a failure shows the log's end."""
    path = DIRECTORY / log
    with path.open("w", encoding="utf-8") as stream:
        started = time.monotonic()
        status = subprocess.run(command, check=False, stdout=stream, stderr=subprocess.STDOUT).returncode
    seconds = time.monotonic() - started
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n" + path.read_text(encoding="utf-8")[-3000:])
    return seconds


class BareHosts:
    """The bare hosts of the scenario."""

    def __init__(self) -> None:
        inventory = yaml.safe_load((DIRECTORY / "hosts.yml").read_text(encoding="utf-8"))["all"]
        self.vars: dict[str, Any] = inventory["vars"]
        self.hosts: dict[str, dict[str, Any]] = inventory["hosts"]
        self.options = [
            *self.vars["ansible_ssh_common_args"].split(),
            *("-i", self.vars["ansible_ssh_private_key_file"]),
        ]

    def address(self, host: str) -> str:
        """Return the address to log in at."""
        return f"{self.vars['ansible_user']}@{self.hosts[host]['ansible_host']}"

    def ssh(self, host: str, command: str, log: str) -> float:
        """Run a command on a host as root."""
        return run(["ssh", *self.options, self.address(host), f"sudo bash -c '{command}'"], log)

    def send(self, host: str, source: Path, name: str) -> None:
        """Copy a file into the home directory of the login user."""
        run(["scp", *self.options, str(source), f"{self.address(host)}:{name}"], "scp.log")

    def inventory(self, name: str, control: str, workers: list[str]) -> Path:
        """Write an inventory of a control host and workers in a directory of its own."""
        groups: dict[str, Any] = {group: {"hosts": {control: {}}} for group in CONTROL}
        groups["workers"] = {"hosts": {worker: {} for worker in workers}}
        path = DIRECTORY / name / "hosts.yml"
        path.parent.mkdir(exist_ok=True)
        variables = {**self.vars, "airflow_secrets_file": str((path.parent / "secrets.yml").resolve())}
        hosts = {host: self.hosts[host] for host in {control, *workers}}
        content = {"all": {"vars": variables, "hosts": hosts, "children": groups}}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path


def play(inventory: Path, log: str, *options: str, playbook: str = "site.yml") -> float:
    """Run a playbook and return its seconds."""
    return run(["ansible-playbook", "-i", str(inventory), playbook, *options], log)


def median(inventory: Path, log: str, *options: str) -> float:
    """Run site.yml three times and return the median of its seconds."""
    return statistics.median(play(inventory, log, *options) for _round in range(3))


def deliver(inventory: Path, log: str) -> float:
    """Run playbooks/dags.yml three times, each with a changed file, and return the median of its seconds."""
    source = DIRECTORY / "dags"
    shutil.copytree("dags", source, dirs_exist_ok=True)
    seconds = []
    for number in range(3):
        with (source / "example_retry.py").open("a", encoding="utf-8") as stream:
            stream.write(f"# {number}\n")
        option = f"--extra-vars=airflow_dags_source={source.resolve()}"
        seconds.append(play(inventory, log, option, playbook="playbooks/dags.yml"))
    return statistics.median(seconds)


def changed(log: str) -> int:
    """Return the number of changes of a run."""
    recap = (DIRECTORY / log).read_text(encoding="utf-8").rpartition("PLAY RECAP")[2]
    return sum(int(number) for number in re.findall(r"changed=(\d+)", recap))


def until(log: str, task: str) -> float:
    """Return the seconds from the start of a run to the end of a task, as the timer callback shows it."""
    lines = (DIRECTORY / log).read_text(encoding="utf-8").splitlines()
    index = next(number for number, line in enumerate(lines) if line.startswith("TASK [") and task in line)
    # The callback prints the total when a task starts: the next task's is when this one ended.
    clock = next(line for line in lines[index + 2 :] if re.search(r"\d:\d\d:\d\d\.\d{3} \*", line))
    hours, minutes, seconds = re.findall(r"(\d+):(\d\d):(\d\d\.\d+)", clock)[-1]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def main() -> None:
    """Measure and print."""
    hosts = BareHosts()
    hosts.send("hand", Path("benchmarks/by_hand.sh"), "by_hand.sh")
    hosts.send("hand", LOCKS / "3.3.2.txt", "airflow.txt")
    hosts.send("hand", LOCKS / "uv.txt", "uv.txt")
    by_hand = hosts.ssh("hand", "cd /home/deploy && bash by_hand.sh", "by_hand.log")
    hosts.ssh("hand", "systemctl poweroff || true", "poweroff.log")

    single = hosts.inventory("one", "single", ["single"])
    whole = play(single, "single.log")
    healthy = until("single.log", "Wait until the control plane is healthy")
    again = play(single, "single-again.log")
    hosts.ssh("single", "systemctl poweroff || true", "poweroff.log")

    nodes = ["node1", "node2", "node3", "node4", "node5"]
    cluster = hosts.inventory("four", "control", nodes[:3])
    four = play(cluster, "four.log")
    four_again = median(cluster, "four-again.log")
    limited_again = median(cluster, "limited-again.log", "--limit=node1")
    dags = deliver(cluster, "dags.log")
    hosts.inventory("four", "control", nodes[:4])
    play(cluster, "five.log")
    ping = until("five.log", "Wait until every worker answers through the broker")
    hosts.inventory("four", "control", nodes)
    limited = play(cluster, "limited.log", "--limit=node5")

    rows = [
        ("one fresh host in all groups, until all healthy: by hand", by_hand, ""),
        ("the same by site.yml", healthy, f"{healthy / by_hand:.2f} x by hand"),
        (
            "the same, to the end: a task has run on the worker",
            whole,
            f"{whole / by_hand:.2f} x by hand",
        ),
        ("second run on that host", again, f"changed={changed('single-again.log')}"),
        ("4 fresh hosts, to the end of the run", four, ""),
        ("second run on 4 hosts", four_again, f"changed={changed('four-again.log')}"),
        ("a bare worker host added to those 4, until all workers answer a ping", ping, ""),
        ("the same by --limit, to the end: a task has run on the worker", limited, ""),
        ("--limit one worker, nothing changed", limited_again, f"changed={changed('limited-again.log')}"),
        ("one changed DAG file to 4 hosts by playbooks/dags.yml", dags, ""),
    ]
    print("| work | seconds | |\n|---|---|---|")
    for name, seconds, note in rows:
        print(f"| {name} | {seconds:.1f} | {note} |")


if __name__ == "__main__":
    main()
