"""A server that cannot be used stops the run before a service changes, with the variable, host and remedy."""

from __future__ import annotations

import copy
import secrets
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from testlib import Airflow, Cluster, Host, Result, run_playbook

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Case:
    name: str
    variables: dict[str, Any]
    expected: list[str]
    playbook: str = "validate"
    missing: list[str] = field(default_factory=list)


# The checks of one task are all reported, so a case may have several mistakes.
CASES = [
    Case(
        "servers that are not named",
        {"airflow_broker_host": "valkey"},
        [
            "Group 'postgres' is empty, and airflow_database_host of control does not say where",
            "airflow_results_host of control, worker1 does not say where",
            "Group 'valkey' is empty, and airflow_broker_host of control, worker1 does not say",
            "Set the variable for all hosts",
        ],
        missing=["airflow_database_host"],
    ),
    Case(
        "verified certificates without authorities",
        {"airflow_database_ca_file": "", "airflow_results_ca_file": "ca.pem"},
        ["airflow_database_sslmode of control is verify-full", "Set airflow_database_ca_file"],
    ),
    Case(
        "one database for all",
        {"airflow_results_name": "company_airflow"},
        ["must be another database", "Set airflow_results_name"],
    ),
    Case(
        "a port that nobody listens on",
        {"airflow_broker_port": 6391},
        [
            "worker1 does not reach the broker at broker.company.test:6391",
            "Correct airflow_broker_host",
            "firewall",
        ],
    ),
    Case(
        "the authorities of somebody else for one database, no encryption for the other",
        {
            "airflow_database_ca_file": "other-ca.pem",
            "airflow_results_sslmode": "disable",
            "airflow_results_ca_file": "",
        },
        [
            "control cannot use the metadata database company_airflow at db.company.test:5433",
            "certificate verify failed",
            "airflow_database_ca_file",
            "control cannot use the result database",
            "no encryption",
            "airflow_results_sslmode",
        ],
        "site",
    ),
    Case(
        "the authorities of somebody else for the broker, in a part of the run",
        {"airflow_broker_ca_file": "other-ca.pem"},
        [
            "control cannot use the broker at broker.company.test:6390",
            "certificate verify",
            "airflow_broker_ca_file",
        ],
        "workers",
    ),
    Case(
        "a database with tables of somebody else, a wrong password",
        {"airflow_database_name": "company_other", "airflow_results_password": "a wrong password"},
        [
            "It holds other tables, for example invoices.",
            "airflow_database_username may not create tables",
            "password authentication failed",
            "Correct airflow_results_username, airflow_results_password",
        ],
        "database",
    ),
    Case(
        "a user of the broker who may not do what Celery does",
        {"airflow_broker_username": "svc_weak"},
        ["airflow_broker_username may not run BRPOP", "docs/existing-servers.md"],
        "flower",
    ),
    Case(
        "secrets that were generated anew for the database of a cluster",
        {"airflow_fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode()},
        [
            "company_airflow at db.company.test has connections or variables that airflow_fernet_key",
            "Set airflow_secrets_file",
        ],
        "schedulers",
    ),
]


@dataclass(frozen=True)
class Outcome:
    results: dict[str, Result]
    changes: dict[str, set[str]]


def state(host: Host) -> set[str]:
    """Return the change times of settings and the invocation of each unit."""
    files = host.check_output("find /etc -xdev -name 'ca-*.pem' -prune -o -type f -printf '%C@ %p\n'")
    units = host.check_output("systemctl show --property=Id,ActiveState,InvocationID 'airflow*'")
    return {
        *files.splitlines(),
        *(unit for unit in units.split("\n\n") if "airflow-worker-health" not in unit),
    }


@pytest.fixture(scope="module")
def outcome(cluster: Cluster, airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run the product with each inventory."""
    airflow.call("POST", "variables", {"key": f"encrypted_{secrets.token_hex(4)}", "value": "a value"})

    def run(case: Case) -> Result:
        directory: Path = tmp_path_factory.mktemp("inventory")
        inventory = copy.deepcopy(cluster.content)
        for name in case.missing:
            del inventory["vars"][name]
        for name, value in case.variables.items():
            is_file = str(value).endswith("ca.pem")
            inventory["vars"][name] = str(cluster.directory / value) if is_file else value
        path = directory / "hosts.yml"
        path.write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
        return run_playbook(path, case.playbook)

    hosts = [cluster.host("control"), cluster.host("worker1")]
    before = {host.name: state(host) for host in hosts}
    with ThreadPoolExecutor(3) as pool:
        results = dict(zip([case.name for case in CASES], pool.map(run, CASES), strict=True))
    return Outcome(results, {host.name: state(host) ^ before[host.name] for host in hosts})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_server_that_cannot_be_used_is_refused(outcome: Outcome, case: Case) -> None:
    result = outcome.results[case.name]
    assert result.returncode != 0
    missing = [words for words in case.expected if words not in result.text]
    assert not missing, result.output[-4000:]
    assert "Could not match supplied host pattern" not in result.output


def test_a_refusal_changes_no_service(outcome: Outcome) -> None:
    assert outcome.changes == {host: set() for host in outcome.changes}
