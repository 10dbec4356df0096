"""The lab as tests see it: hosts by inventory group, through the inventory a user would have."""

from __future__ import annotations

import json
import shlex
import tempfile
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import testinfra
import yaml

from testlib.airflow import Airflow
from testlib.broker import Broker
from testlib.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection

PROJECT = Path(__file__).resolve().parents[3]
# The watch over the workers is not Airflow.
WATCH = "airflow-fleet"
WATCH_CHECK = "airflow-fleet-check.service"
GROUP_UNITS = {
    "postgres": ["postgresql"],
    "valkey": ["valkey-server"],
    "schedulers": ["airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"],
    "webservers": ["airflow-api-server"],
    "flower": ["airflow-flower", WATCH],
    "workers": ["airflow-worker"],
}
AIRFLOW_UNITS = {
    group: [unit for unit in units if unit != WATCH]
    for group, units in GROUP_UNITS.items()
    if units[0].startswith("airflow-")
}


@cache
def connections() -> str:
    """Give a folder for the connections of this run: an earlier lab's would lead nowhere."""
    return tempfile.mkdtemp(prefix="lab-")


class Host:
    """A lab host: its inventory name and variables, and testinfra's access to it as root."""

    def __init__(self, name: str, variables: dict[str, Any]) -> None:
        self.name = name
        self.variables = variables
        self.address = str(variables["ansible_host"])

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def infra(self) -> Any:
        shared = f"-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={connections()}/%C"
        return testinfra.get_host(
            f"ssh://{self.variables['ansible_user']}@{self.address}",
            ssh_identity_file=self.variables["ansible_ssh_private_key_file"],
            ssh_extra_args=f"{self.variables['ansible_ssh_common_args']} {shared}",
            sudo=True,
        )

    def run(self, command: str, *args: str) -> Any:
        """Run a shell command as root; %s stands for an argument, quoted."""
        return self.infra.run(command, *args)

    def check_output(self, command: str, *args: str) -> str:
        return str(self.infra.check_output(command, *args))

    def python(self, script: str) -> str:
        """Run a script with the Python that Airflow runs on."""
        return self.check_output("/opt/airflow/current/bin/python -c %s", script)

    def sql(self, database: str, query: str) -> list[str]:
        """Ask PostgreSQL on this host as its superuser; give the lines of the answer."""
        command = f"psql --dbname={database} --no-align --tuples-only --command={shlex.quote(query)}"
        return self.check_output("runuser -u postgres -- sh -c %s", f"cd / && {command}").splitlines()

    def unit_state(self, unit: str) -> str:
        return str(self.run("systemctl is-active %s", unit).stdout).strip()

    def failed_units(self) -> list[str]:
        lines = self.check_output("systemctl list-units --failed --plain --no-legend").splitlines()
        return [line.split()[0] for line in lines]

    def unit(self, unit: str) -> dict[str, str]:
        """Give a unit's properties; times are "@" and seconds."""
        lines = self.check_output("systemctl show --timestamp=unix %s", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def started(self, unit: str) -> int:
        """Give the time at which a unit was last started."""
        return int(self.unit(unit)["ActiveEnterTimestamp"].removeprefix("@"))

    def booted(self) -> int:
        return int(self.check_output("stat --format=%Y /proc/1"))

    def environment(self, unit: str) -> dict[str, str]:
        """Give the variables systemd hands to a unit's processes, as systemd reads them."""
        properties = self.unit(unit)
        path = properties["EnvironmentFiles"].split(" ")[0]
        changed = int(self.check_output("stat --format=%%Y %s", path))
        assert changed <= int(properties["ExecMainStartTimestamp"].removeprefix("@")), (
            f"{unit} on {self.name} runs since before {path} was written"
        )
        command = "systemd-run --quiet --collect --wait --pipe --property=EnvironmentFile=%s env"
        lines = self.check_output(command, path).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def process_environments(self, unit: str) -> list[dict[str, str]]:
        """Give the variables in each of a unit's processes.

        A process that sets its own title writes over its variables: it shows none.
        """
        script = """
            for pid in $(ps --no-headers -e -o pid=,unit= | awk -v unit=%s '$2 == unit { print $1 }'); do
                tr '\\0' '\\n' <"/proc/$pid/environ" || true
                echo --
            done 2>/dev/null
        """
        texts = self.check_output(script, f"{unit}.service").split("\n--\n")
        return [dict(line.split("=", 1) for line in text.splitlines() if "=" in line) for text in texts]

    def configure(self, unit: str, options: dict[str, str], drop_in: str = "") -> None:
        """Give a unit other variables and settings, from its next start until unconfigure()."""
        file, env = f"/run/systemd/system/{unit}.service.d/lab.conf", f"/run/lab-{unit}.env"
        lines = "".join(f'{name}="{value}"\n' for name, value in options.items())
        self.check_output(
            "mkdir -p $(dirname %s) && printf %%s %s >%s && printf %%s %s >%s && systemctl daemon-reload",
            *(file, lines, env, f"[Service]\nEnvironmentFile={env}\n{drop_in}", file),
        )

    def unconfigure(self) -> None:
        """Give all units their own settings back, from their next start."""
        self.check_output(
            "rm -rf /run/lab-*.env /run/systemd/system/*.service.d/lab.conf && systemctl daemon-reload"
        )

    def journal(self, unit: str, lines: int = 60) -> str:
        result = self.run("journalctl --no-pager -o short-iso -n %s -u %s", str(lines), unit)
        return str(result.stdout)

    def assert_active(self, unit: str) -> None:
        state = self.unit_state(unit)
        assert state == "active", f"{unit} on {self.name} is {state}:\n{self.journal(unit)}"


class Lab:
    """The running lab of one scenario."""

    def __init__(self, folder: Path) -> None:
        self.inventory = folder / "hosts.yml"
        self.content: dict[str, Any] = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))["all"]
        self._hosts = {
            name: Host(name, {**self.content["vars"], **(variables or {})})
            for name, variables in self.content["hosts"].items()
        }

    def host(self, name: str) -> Host:
        return self._hosts[name]

    def hosts(self, group: str | None = None) -> list[Host]:
        """Give a group's hosts, or all."""
        if group is None:
            return list(self._hosts.values())
        members = self.content["children"].get(group, {"hosts": {}})["hosts"]
        return [self._hosts[name] for name in members]

    def one(self, group: str) -> Host:
        """Give the first host of a group that must not be empty."""
        hosts = self.hosts(group)
        assert hosts, f"no host in the group {group}"
        return hosts[0]

    def units(self, groups: dict[str, list[str]] = GROUP_UNITS) -> list[tuple[Host, str]]:
        """Give each host with each of its units."""
        return [
            (host, unit) for group, units in groups.items() for host in self.hosts(group) for unit in units
        ]

    def problems(self) -> dict[str, str]:
        """Give what the watch finds wrong, by worker."""
        status = "/run/airflow-fleet/status.json"
        text = self.one("flower").check_output("! test -e %s || cat %s", status, status)
        return dict(json.loads(text)["problems"]) if text else {"the watch": "has not looked yet"}

    def ailing(self, apart: Collection[str] = ()) -> list[str]:
        """Give what does not run that ought to, what has failed and what the watch reports.

        The watch's reports of the workers set apart are left out, and the failure of its check with them.
        """
        inactive = [
            f"{unit} on {host.name}" for host, unit in self.units() if host.unit_state(unit) != "active"
        ]
        # While it runs anew the check's unit has not failed, whatever it will find: so its findings too.
        failed = [
            f"{unit} on {host.name}"
            for host in self.hosts()
            for unit in host.failed_units()
            if not (apart and unit == WATCH_CHECK)
        ]
        reported = [f"{name}: {text}" for name, text in self.problems().items() if name not in apart]
        # Debian's postgresql.service is active whether its server is or not.
        database = [] if self.one("postgres").run("pg_isready").rc == 0 else ["PostgreSQL"]
        return inactive + failed + reported + database

    def wait_well(self, apart: Collection[str] = (), timeout: float = 60) -> None:
        wait_for("all to be well", lambda: self.ailing(apart), lambda ailing: not ailing, timeout=timeout)

    def workers(self, queue: str) -> list[Host]:
        """Give the hosts whose worker reads a queue."""
        return [
            host
            for host in self.hosts("workers")
            if queue in host.variables.get("airflow_worker_queues", ["default"])
        ]

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Give what the controller keeps beside the inventory."""
        return dict(yaml.safe_load(self.secrets_file.read_text(encoding="utf-8")))

    def airflow(self) -> Airflow:
        url = f"http://{self.one('webservers').address}:8080"
        return Airflow(url, "admin", self.secrets["airflow_admin_password"])

    def broker(self) -> Broker:
        """Connect to the broker as Airflow does."""
        return Broker(self.one("valkey").address, "airflow", self.secrets["airflow_broker_password"])

    @property
    def secrets_file(self) -> Path:
        return Path(self.content["vars"]["airflow_secrets_file"])

    def journals(self, lines: int = 40) -> str:
        """Give each host's failed units and the last messages of ours."""
        units = " ".join(f"-u {unit}" for units in GROUP_UNITS.values() for unit in units)
        parts = []
        for host in self.hosts():
            try:
                failed = host.run("systemctl list-units --failed --plain --no-legend --no-pager").stdout
                journal = host.run(f"journalctl --no-pager -o short-iso -n {lines} {units}").stdout
            except Exception as error:  # noqa: BLE001 - a host that does not answer is a finding too
                failed, journal = "", f"does not answer: {error}\n"
            parts.append(f"== {host.name}, failed units: {failed.strip() or 'none'}\n{journal}")
        return "\n".join(parts)
