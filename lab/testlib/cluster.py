"""The cluster of a lab, as its inventory describes it."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from testlib import broker
from testlib.airflow_api import Airflow
from testlib.flower import Flower
from testlib.host import Host
from testlib.units import GROUP_UNITS, OPTIONAL_GROUPS, WORKER_HEALTH
from testlib.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection

    import redis

PROJECT = Path(__file__).resolve().parents[2]
STATUS = "/run/airflow-worker-monitor/status.json"
PING_WORKERS = "/opt/airflow/worker-monitor/current/ping-workers"


class Cluster:
    """The cluster of one scenario."""

    def __init__(self, scenario: str) -> None:
        self.directory = PROJECT / ".cache" / "lab" / scenario
        self.inventory = self.directory / "hosts.yml"
        self.content: dict[str, Any] = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))["all"]
        self._hosts = {
            name: Host(name, {**self.content["vars"], **(variables or {})})
            for name, variables in self.content["hosts"].items()
        }

    def host(self, name: str) -> Host:
        return self._hosts[name]

    def hosts(self, group: str | None = None) -> list[Host]:
        """Return the hosts that run the units of a group, or all hosts."""
        if group is None:
            return list(self._hosts.values())
        if group in OPTIONAL_GROUPS and group not in self.content["children"]:
            group = "schedulers"
        members = self.content["children"].get(group, {"hosts": {}})["hosts"]
        return [self._hosts[name] for name in members]

    def one(self, group: str) -> Host:
        """Return the first host of a group, which must not be empty."""
        hosts = self.hosts(group)
        assert hosts, f"no host in the group {group}"
        return hosts[0]

    def server(self, group: str) -> Host:
        """Return the host of a server of the cluster: of its group, or the one that existed already."""
        return self.one(group if self.hosts(group) else "company")

    def units(self, groups: dict[str, list[str]] | None = None) -> list[tuple[Host, str]]:
        """Return each host with each of its units."""
        return [
            (host, unit)
            for group, units in (groups or GROUP_UNITS).items()
            for host in self.hosts(group)
            for unit in units
        ]

    def workers(self, queue: str) -> list[Host]:
        """Return the hosts whose worker reads a queue."""
        return [
            host
            for host in self.hosts("workers")
            if queue in host.variables.get("airflow_worker_queues", ["default"])
        ]

    def ping(self, *workers: str, timeout: int = 2) -> bool:
        """Return whether all of these workers answer a ping through the broker within the timeout."""
        return bool(self.one("flower").run(f"{PING_WORKERS} {timeout} {' '.join(workers)}").rc == 0)

    def worker_status(self) -> dict[str, Any]:
        """Return what the worker monitor has written, {} before it has."""
        text = self.one("flower").check_output("! test -e %s || cat %s", STATUS, STATUS)
        return dict(json.loads(text)) if text else {}

    def problems(self) -> dict[str, str]:
        """Return the problems that the worker monitor reports, by worker."""
        return dict(self.worker_status().get("problems", {"worker monitor": "has not written its status"}))

    def unhealthy(self, ignored_workers: Collection[str] = ()) -> list[str]:
        """Return the units that do not run or have failed, and the problems of the workers.

        Problems of the ignored workers do not count, nor that the health check fails meanwhile.
        """
        inactive = [
            f"{unit} on {host.name} is not active"
            for host, unit in self.units()
            if not host.service(unit).is_running
        ]
        # The health check's unit has not failed while it runs: its findings count as well.
        failed = [
            f"{unit} on {host.name} has failed"
            for host in self.hosts()
            for unit in host.failed_units()
            if not (ignored_workers and unit == WORKER_HEALTH)
        ]
        problems = [
            f"{name}: {problem}" for name, problem in self.problems().items() if name not in ignored_workers
        ]
        # Debian's postgresql.service is active whether its server runs or not.
        database = [] if self.server("postgres").run("pg_isready").rc == 0 else ["PostgreSQL is not ready"]
        return inactive + failed + problems + database

    def wait_healthy(self, ignored_workers: Collection[str] = (), timeout: float = 60) -> None:
        wait_for(
            "cluster healthy",
            lambda: self.unhealthy(ignored_workers),
            lambda unhealthy: not unhealthy,
            timeout=timeout,
        )

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Return the secrets that the controller keeps beside the inventory, and those set in it."""
        given = {name: value for name, value in self.content["vars"].items() if name.endswith("_password")}
        return {**yaml.safe_load(self.secrets_file.read_text(encoding="utf-8")), **given}

    @property
    def secrets_file(self) -> Path:
        return Path(self.content["vars"]["airflow_secrets_file"])

    @property
    def certificates(self) -> Path:
        """Return the directory in which the controller keeps the certificates that it makes."""
        return self.secrets_file.with_name(f"{self.secrets_file.stem}-tls")

    @property
    def authority(self) -> Path | None:
        """Return the certificate of the authority of the cluster, None without TLS."""
        return self.certificates / "ca.pem" if self.variable("airflow_tls_enabled", default=False) else None

    def url(self, host: Host, port: int) -> str:
        return f"{'https' if self.authority else 'http'}://{host.address}:{port}"

    def airflow_url(self, host: Host | None = None) -> str:
        """Return where the API server of a host is, by default the first one's, not where people reach it."""
        return self.url(host or self.one("webservers"), 8080) + self.path("airflow_base_url")

    def path(self, name: str) -> str:
        """Return the path of a URL of the inventory, empty for the root."""
        return urlsplit(str(self.variable(name, ""))).path.rstrip("/")

    def airflow(self, host: Host | None = None) -> Airflow:
        """Return a session with the API server of a host, by default the first one's."""
        return Airflow(self.airflow_url(host), "admin", self.secrets["airflow_admin_password"])

    def flower(self) -> Flower:
        url = self.url(self.one("flower"), 5555) + self.path("airflow_flower_base_url")
        return Flower(url, "flower", self.secrets["airflow_flower_password"])

    def broker(self, user: str = "scheduler") -> redis.Redis:
        """Return a client of the broker as the `worker`, `scheduler` or `monitor`; the scheduler may send."""
        username = self.variable("airflow_broker_username", "airflow")
        password = self.secrets["airflow_broker_password"]
        # A server that exists already has one user for all.
        if self.hosts("valkey") and user != "worker":
            username, password = f"{username}-{user}", self.secrets[f"airflow_broker_{user}_password"]
        return self.unauthenticated_broker(username, password)

    def unauthenticated_broker(self, *login: str) -> redis.Redis:
        address = self.server("valkey").address
        port = int(self.variable("airflow_broker_port", broker.PORT))
        ca_file = self.variable("airflow_broker_ca_file", self.authority)
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(ca_file)} if ca_file else {}
        return broker.connect(address, *login, port=port, **tls)

    def variable(self, name: str, default: Any) -> Any:
        """Return what the inventory sets for all hosts."""
        return self.content["vars"].get(name, default)

    def database(self, kind: str) -> str:
        """Return the name of the database of the kind `database` or `results`."""
        default = {"database": "airflow", "results": "airflow_results"}[kind]
        return str(self.variable(f"airflow_{kind}_name", default))

    def journals(self, lines: int = 40) -> str:
        """Return each host's failed units and the last messages of the units of this collection."""
        units = " ".join(f"-u {unit}" for units in GROUP_UNITS.values() for unit in units)
        parts = []
        for host in self.hosts():
            try:
                failed = ", ".join(host.failed_units())
                journal = host.check_output(f"journalctl --no-pager -o short-iso -n {lines} {units}")
            except Exception as error:  # noqa: BLE001 - a host that does not answer is a finding too
                failed, journal = "", f"does not answer: {error}"
            parts.append(f"== {host.name}, failed units: {failed or 'none'}\n{journal}\n")
        return "\n".join(parts)
