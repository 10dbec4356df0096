from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from filter.firewall import networks, wrong_networks

ROOT = Path(__file__).parents[2]
EVERYBODY = ["0.0.0.0/0", "::/0"]
# Airflow's own defaults.
LOG_PORTS = {"worker_log_server_port": 8793, "trigger_log_server_port": 8794}


def load(path: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / path).read_text(encoding="utf-8")))


ROLE = load("roles/airflow_firewall/vars/main.yml")
SERVICES = load("playbooks/vars/firewall.yml")["__airflow_firewall_services"]
# Those of the services that roles set up; exporters listen where Debian has them.
PORTS = {name: port for name, port in ROLE["__airflow_firewall_ports"].items() if not isinstance(port, int)}
EXPORTER_PORTS = {
    name: port for name, port in ROLE["__airflow_firewall_ports"].items() if name.endswith("_metrics")
}
# Where several hosts run one server.
MEMBER_PORTS = {
    name: port
    for name, port in ROLE["__airflow_firewall_ports"].items()
    if name not in PORTS.keys() | EXPORTER_PORTS.keys()
}
DEFAULTS = {
    name: value
    for path in (ROOT / "roles").glob("*/defaults/main.yml")
    for name, value in load(str(path.relative_to(ROOT))).items()
}


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], {}),
        (["192.0.2.7", "2001:db8::1"], {"ip": ["192.0.2.7/32"], "ip6": ["2001:db8::1/128"]}),
        (["192.0.2.9", "192.0.2.0/24", "192.0.2.9"], {"ip": ["192.0.2.0/24"]}),
        (["192.0.2.8", "192.0.2.9"], {"ip": ["192.0.2.8/31"]}),
        (["192.0.2.9", *EVERYBODY], {"ip": ["0.0.0.0/0"], "ip6": ["::/0"]}),
    ],
)
def test_overlapping_sources_are_merged(sources: list[str], expected: dict[str, list[str]]) -> None:
    assert networks(sources) == expected


@pytest.mark.parametrize(
    "source", ["worker1", "", "192.0.2.1/24", "192.0.2.1\n", "192.0.2.0/33", "{ 192.0.2.1 }", 7, None, True]
)
def test_what_is_no_network_is_refused(source: Any) -> None:
    assert wrong_networks(["192.0.2.1", source]) == [str(source)]
    with pytest.raises(AnsibleFilterError, match="neither"):
        networks([source])


def test_addresses_and_networks_are_accepted() -> None:
    assert wrong_networks(["192.0.2.7", "192.0.2.0/24", "2001:db8::/32", *EVERYBODY]) == []


def default_port(text: str) -> tuple[str, int]:
    """Return the variable that a port is read from, and its default."""
    found = re.fullmatch(r"{{ \w+\.(\w+) \| default\((\d+)\) }}", text)
    assert found, text
    return found[1], int(found[2])


def test_the_ports_are_the_defaults_of_the_roles_and_of_airflow() -> None:
    ports = dict(default_port(text) for text in PORTS.values())
    assert {name: (DEFAULTS | LOG_PORTS)[name] for name in ports} == ports


def test_the_defaults_of_the_switches_are_those_of_the_role() -> None:
    assert ROLE["__airflow_firewall_everybody"] == EVERYBODY
    assert DEFAULTS["airflow_firewall_ui_sources"] == DEFAULTS["airflow_firewall_flower_sources"] == EVERYBODY
    assert DEFAULTS["airflow_firewall_enabled"] is False


def test_the_readme_names_the_ports_of_all_services() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| `(\w+)` \|", readme, re.MULTILINE)
    assert {(int(port), group) for port, group in rows} == {
        (default_port(port)[1], SERVICES[name]["hosts"].split(".")[1].split(" ")[0])
        for name, port in PORTS.items()
    }
    assert all(f"| {port} |" in readme for port in (EXPORTER_PORTS | MEMBER_PORTS).values())


def test_nobody_reaches_the_exporters_by_default() -> None:
    assert len(EXPORTER_PORTS) == len(SERVICES) - len(PORTS) - len(MEMBER_PORTS) > 0
    assert all(SERVICES[name]["clients"] == [] for name in EXPORTER_PORTS)
    assert DEFAULTS["airflow_firewall_metrics_sources"] == []
