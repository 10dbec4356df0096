"""A host of the lab, over SSH."""

from __future__ import annotations

import shlex
import tempfile
from functools import cache, cached_property
from typing import Any

import testinfra

DROP_IN = "testlib.conf"


@cache
def control_directory() -> str:
    """Return a directory for the SSH connections of this process: an earlier lab's lead nowhere."""
    return tempfile.mkdtemp(prefix="lab-")


class Host:
    """A host with its inventory name and variables; commands run as root."""

    def __init__(self, name: str, variables: dict[str, Any]) -> None:
        self.name = name
        self.variables = variables
        self.address = str(variables["ansible_host"])

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def infra(self) -> Any:
        """Return testinfra's view of the host."""
        shared = f"-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={control_directory()}/%C"
        return testinfra.get_host(
            f"ssh://{self.variables['ansible_user']}@{self.address}",
            ssh_identity_file=self.variables["ansible_ssh_private_key_file"],
            ssh_extra_args=f"{self.variables['ansible_ssh_common_args']} {shared}",
            sudo=True,
        )

    def run(self, command: str, *args: str) -> Any:
        """Run a shell command; each %s in it stands for an argument, which is quoted."""
        return self.infra.run(command, *args)

    def check_output(self, command: str, *args: str) -> str:
        return str(self.infra.check_output(command, *args))

    def service(self, unit: str) -> Any:
        return self.infra.service(unit)

    def file(self, path: str) -> Any:
        return self.infra.file(path)

    def sql(self, database: str, query: str) -> list[str]:
        """Run a query as PostgreSQL's superuser and return the lines of the answer."""
        command = f"psql --dbname={database} --no-align --tuples-only --command={shlex.quote(query)}"
        return self.check_output("runuser -u postgres -- sh -c %s", f"cd / && {command}").splitlines()

    def failed_units(self) -> list[str]:
        """Return the names of the failed units, without the suffix of a service."""
        lines = self.check_output("systemctl list-units --failed --plain --no-legend").splitlines()
        return [line.split()[0].removesuffix(".service") for line in lines]

    def unit(self, unit: str) -> dict[str, str]:
        """Return a unit's properties; unlike testinfra's, their times are "@" and seconds."""
        lines = self.check_output("systemctl show --timestamp=unix %s", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def start_time(self, unit: str) -> int:
        """Return when a unit last became active."""
        return int(self.unit(unit)["ActiveEnterTimestamp"].removeprefix("@"))

    def boot_time(self) -> float:
        return float(self.file("/proc/1").mtime.timestamp())

    def environment(self, unit: str) -> dict[str, str]:
        """Return the variables of a unit's environment file, as systemd reads them."""
        properties = self.unit(unit)
        path = properties["EnvironmentFiles"].split(" ")[0]
        changed = self.file(path).mtime.timestamp()
        started = int(properties["ExecMainStartTimestamp"].removeprefix("@"))
        assert int(changed) <= started, f"{unit} on {self.name} was not restarted after a change of {path}"
        command = "systemd-run --quiet --collect --wait --pipe --property=EnvironmentFile=%s env"
        lines = self.check_output(command, path).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def process_environments(self, unit: str) -> list[dict[str, str]]:
        """Return the variables of each of a unit's processes.

        A process that sets its own title overwrites its variables, so that none of them can be read.
        """
        script = """
            for pid in $(ps --no-headers -e -o pid=,unit= | awk -v unit=%s '$2 == unit { print $1 }'); do
                tr '\\0' '\\n' <"/proc/$pid/environ" || true
                echo --
            done 2>/dev/null
        """
        texts = self.check_output(script, f"{unit}.service").split("\n--\n")
        return [dict(line.split("=", 1) for line in text.splitlines() if "=" in line) for text in texts]

    def configure(self, unit: str, variables: dict[str, str], drop_in: str = "") -> None:
        """Override variables and settings of a unit from its next start until unconfigure()."""
        file, env = f"/run/systemd/system/{unit}.service.d/{DROP_IN}", f"/run/testlib-{unit}.env"
        lines = "".join(f'{name}="{value}"\n' for name, value in variables.items())
        self.check_output(
            "mkdir -p $(dirname %s) && printf %%s %s >%s && printf %%s %s >%s && systemctl daemon-reload",
            *(file, lines, env, f"[Service]\nEnvironmentFile={env}\n{drop_in}", file),
        )

    def unconfigure(self) -> None:
        """Remove the overrides of all units, from their next start."""
        self.check_output(
            f"rm -rf /run/testlib-*.env /run/systemd/system/*.service.d/{DROP_IN}"
            " && find /run/systemd/system -name '*.service.d' -empty -delete && systemctl daemon-reload"
        )

    def journal(self, unit: str, lines: int = 60) -> str:
        result = self.run("journalctl --no-pager -o short-iso -n %s -u %s", str(lines), unit)
        return str(result.stdout)

    def journal_since(self, unit: str, start: float) -> str:
        """Return what a unit has logged since a time, without the times."""
        return self.check_output("journalctl --no-pager -o cat --since=@%s -u %s", str(int(start)), unit)
