"""The lab as tests see it: hosts by inventory group, through the inventory a user would have."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import testinfra
import yaml

if TYPE_CHECKING:
    from pathlib import Path

GROUP_UNITS = {
    "postgres": ["postgresql"],
    "valkey": ["valkey-server"],
    "schedulers": ["airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"],
    "webservers": ["airflow-api-server"],
    "flower": ["airflow-flower"],
    "workers": ["airflow-worker"],
}


class Host:
    """A lab host: its inventory name and variables, and testinfra's access to it as root."""

    def __init__(self, name: str, variables: dict[str, Any], inventory: Path) -> None:
        self.name = name
        self.variables = variables
        self.address = str(variables["ansible_host"])
        self._inventory = inventory

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def infra(self) -> Any:
        return testinfra.get_host(f"ansible://{self.name}", ansible_inventory=str(self._inventory))

    def run(self, command: str, *args: str) -> Any:
        """Run a shell command as root; %s stands for an argument, quoted."""
        return self.infra.run(command, *args)

    def check_output(self, command: str, *args: str) -> str:
        return str(self.infra.check_output(command, *args))

    def unit_state(self, unit: str) -> str:
        return str(self.run("systemctl is-active %s", unit).stdout).strip()

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
        self._content = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))["all"]
        self._hosts = {
            name: Host(name, {**self._content["vars"], **(variables or {})}, self.inventory)
            for name, variables in self._content["hosts"].items()
        }

    def host(self, name: str) -> Host:
        return self._hosts[name]

    def hosts(self, group: str | None = None) -> list[Host]:
        """Give a group's hosts, or all."""
        if group is None:
            return list(self._hosts.values())
        members = self._content["children"].get(group, {"hosts": {}})["hosts"]
        return [self._hosts[name] for name in members]

    def one(self, group: str) -> Host:
        """Give the first host of a group that must not be empty."""
        hosts = self.hosts(group)
        assert hosts, f"no host in the group {group}"
        return hosts[0]

    @cached_property
    def secrets(self) -> dict[str, Any]:
        """Give what the controller keeps beside the inventory."""
        path = self._content["vars"]["airflow_secrets_file"]
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123 - a path from the inventory
            return dict(yaml.safe_load(stream))

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
