"""inventories/production, as a team uses it: copied, the collection installed, the vault encrypted."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import check_specs
import pytest
import yaml
from testlib.ansible_commands import Result, run_command
from testlib.cluster import PROJECT

DIRECTORY = PROJECT / "inventories" / "production"
# scripts/compat.sh runs this with another ansible-core, for whose ansible-galaxy the packages are too new.
GALAXY = str(PROJECT / ".venv" / "bin" / "ansible-galaxy")
FILES = [
    DIRECTORY / "hosts.yml",
    *DIRECTORY.glob("group_vars/**/*.yml"),
    DIRECTORY / "group_vars/all/vault.yml.example",
]
# A name merged into that variable, and those of the vault, are the team's own.
OWN = re.compile(r"airflow_environment_\w+|vault_\w+|ansible_\w+")
FACTS: dict[str, Any] = {
    "__preflight_started": time.time(),
    "distribution": "Debian",
    "distribution_version": "13.1",
    "distribution_major_version": "13",
    "service_mgr": "systemd",
    "nodename": "{{ inventory_hostname }}",
    "memtotal_mb": 16000,
    "processor_vcpus": 4,
    "all_ipv4_addresses": ["{{ ansible_host }}"],
    "all_ipv6_addresses": [],
    "date_time": {"epoch": int(time.time())},
}
# What a team is sure to look for.
COMMON = {
    "airflow_connections",
    "airflow_dags_source",
    "airflow_environment",
    "airflow_extra_packages",
    "airflow_firewall_enabled",
    "airflow_pools",
    "airflow_tls_enabled",
    "airflow_users",
    "airflow_variables",
    "airflow_worker_concurrency",
    "airflow_worker_queues",
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def variables(path: Path) -> dict[str, Any]:
    """Return the variables in a file; those of hosts, in hosts.yml."""
    if path.name != "hosts.yml":
        return dict(load(path))
    return {name: value for host in load(path)["all"]["hosts"].values() for name, value in host.items()}


def specified() -> set[str]:
    """Return the names of all public variables."""
    return {
        name
        for role in (PROJECT / "roles").iterdir()
        for spec in check_specs.load_entry_points(role).values()
        for name in spec["options"]
    }


def mentioned() -> set[str]:
    """Return the names of the variables that comments show how to set."""
    texts = (path.read_text(encoding="utf-8") for path in FILES)
    return {name for text in texts for name in re.findall(r"^ *# (\w+): ", text, re.MULTILINE) if "_" in name}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy, with the collection installed by its requirements.yml, and the vault encrypted."""
    copy: Path = tmp_path_factory.mktemp("team") / "airflow"
    shutil.copytree(DIRECTORY, copy, ignore=shutil.ignore_patterns(".airflow-secrets*", "collections"))
    for command in (
        [GALAXY, "collection", "build", f"--output-path={copy}", str(PROJECT)],
        [
            GALAXY,
            "collection",
            "install",
            "-r",
            "requirements.yml",
            "-p",
            "collections",
            "--no-deps",
            "--offline",
        ],
    ):
        run_command(*command, cwd=copy).assert_success()
    password, vault = copy / "vault-password", copy / "group_vars/all/vault.yml"
    password.write_text(secrets.token_urlsafe())
    example = load(vault.with_name("vault.yml.example"))
    vault.write_text(yaml.safe_dump({name: secrets.token_urlsafe() for name in example}))
    encrypt = ("encrypt", f"--vault-password-file={password}", str(vault))
    run_command("ansible-vault", *encrypt, cwd=copy).assert_success()
    assert "$ANSIBLE_VAULT" in vault.read_text()
    return copy


def run_playbook(project: Path, *args: str) -> Result:
    return run_command("ansible-playbook", "--vault-password-file=vault-password", *args, cwd=project)


@pytest.fixture(scope="module")
def validated(project: Path) -> Result:
    """Run the checks of playbooks/validate.yml with the facts of hosts that do not exist."""
    playbooks = project / "collections/ansible_collections/lakehouse/airflow/playbooks"
    plays = load(playbooks / "validate.yml")
    for play in plays:
        play["vars_files"] = [str(playbooks / path) for path in play["vars_files"]]
        if play["name"] == "Gather facts":
            play["tasks"] = [{"ansible.builtin.set_fact": {"cacheable": True, **FACTS}}]
    (project / "plays.yml").write_text(yaml.safe_dump(plays))
    extra = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "preflight_min_disk_mb": 0,
        "preflight_max_clock_skew": 3600,
    }
    return run_playbook(project, f"--extra-vars={json.dumps(extra)}", "plays.yml")


def test_it_passes_the_checks(validated: Result) -> None:
    validated.assert_success()
    assert "WARNING" not in validated.output, validated.output
    assert set(validated.changed) == set(load(DIRECTORY / "hosts.yml")["all"]["hosts"])
    assert set(validated.changed.values()) == {0}


def test_each_variable_is_one_of_the_collection() -> None:
    names = {name for path in FILES for name in variables(path)} | mentioned()
    assert {name for name in names if not OWN.fullmatch(name)} - specified() == set()
    assert names >= COMMON


def test_the_page_beside_the_helm_chart_names_variables_of_the_collection() -> None:
    text = (PROJECT / "docs" / "chart.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:airflow|postgres|valkey|hosts)_\w+)\b[`:]", text))
    assert len(names) > 30
    assert names - specified() == set()


def test_secrets_are_in_the_vault_alone() -> None:
    """Each password is a name of vault.yml.example, which has no values; each of its names is used."""
    text = "".join(path.read_text(encoding="utf-8") for path in FILES if path.suffix == ".yml")
    example = variables(DIRECTORY / "group_vars/all/vault.yml.example")
    assert set(example.values()) == {None}
    assert set(re.findall(r'password: "\{\{ (\w+) \}\}"', text)) == set(example)
    assert text.count("password: ") == len(example)


def test_the_playbook_is_that_of_the_installed_collection(project: Path) -> None:
    listed = run_playbook(project, "airflow.yml", "--list-tasks").assert_success()
    assert "Install the time service" in listed.output
    assert "Check the inventory" in listed.output
    (installed,) = project.glob("collections/ansible_collections/lakehouse/airflow/MANIFEST.json")
    version = json.loads(installed.read_text())["collection_info"]["version"]
    assert f"lakehouse-airflow-{version}.tar.gz" in (DIRECTORY / "requirements.yml").read_text(
        encoding="utf-8"
    )
