"""Hostile and wrong input is refused before any change, with variable, host and remedy, or is used as it is.

The checks are those of playbooks/validate.yml, in one run of an inventory whose hosts each have mistakes.
"""

# ruff: noqa: FBT003, S104 - booleans and addresses are values of the table

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from lookup.secret import GENERATORS
from testlib.ansible_commands import Result, run_command
from testlib.cluster import PROJECT
from testlib.examples import EXAMPLE_FILES, EXAMPLE_SECRETS, EXAMPLES, blocks

PLAYBOOKS = PROJECT / "playbooks"
DAY = 86400
LONG = "Zx8-qT2_vB5.nM7+wK3=rL9"
FERNET = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
FACTS_VARIABLE = "facts_of_the_test"
FACTS: dict[str, Any] = {
    "distribution": "Debian",
    "distribution_version": "13.1",
    "distribution_major_version": "13",
    "service_mgr": "systemd",
    "nodename": "node",
    "memtotal_mb": 4000,
    "processor_vcpus": 2,
    "all_ipv4_addresses": ["192.0.2.1"],
    "all_ipv6_addresses": [],
    "date_time": {"epoch": int(time.time())},
}


@dataclass(frozen=True)
class Case:
    """A variable with a value, in the entry point of a role that checks it."""

    role: str
    variable: str
    value: Any
    # What the message says; None: the value is accepted.
    said: str | None
    # What else the host sets.
    others: dict[str, Any] = field(default_factory=dict)


def refused(role: str, variable: str, said: str, *values: Any) -> list[Case]:
    return [Case(role, variable, value, said) for value in values]


def accepted(role: str, variable: str, *values: Any) -> list[Case]:
    return [Case(role, variable, value, None) for value in values]


def fact(said: str | None, **facts: Any) -> Case:
    return Case("preflight", "ansible_facts", {**FACTS, **facts}, said)


# How messages begin or end, one for each check; those of Ansible itself.
ARGUMENT = "and we were unable to convert to"
ARGUMENT_CHOICE = "must be one or more of"
ARGUMENT_VALUE = "value of airflow_database_sslmode must be one of"
DISK = "Free some, or lower the variable"
# Ansible looks no further, and the space on the disk is checked after the others.
ALONE = {ARGUMENT, ARGUMENT_VALUE, ARGUMENT_CHOICE, DISK}
PACKAGES = "not other options of pip or paths"
CONNECTIONS = "in quotes if YAML reads it as another type"
ADDRESS = "without a login or a query, for example https://airflow.example.com/"
PATH_URL = "https://company.test/airflow"
HTTP_URL = "http://company.test/airflow"
NUMBERS: list[tuple[str, str, int, str]] = [
    ("airflow", "airflow_parallelism", 1, "Set whole numbers"),
    ("airflow", "airflow_max_active_tasks_per_dag", 1, "Set whole numbers"),
    ("airflow", "airflow_ready_timeout", 1, "Set whole numbers"),
    ("airflow_worker", "airflow_worker_concurrency", 1, "remove it for one for each CPU"),
    ("airflow_worker", "airflow_worker_stop_timeout", 1, "waits for its tasks"),
    ("airflow_worker_monitor", "airflow_worker_monitor_timeout", 5, "5 seconds or more"),
    ("airflow_api_server", "airflow_api_server_workers", 1, "number of processes, 1 or more"),
    ("airflow_smoke_test", "airflow_smoke_test_timeout", 1, "number of seconds, 1 or more"),
    ("postgres", "postgres_max_connections", 20, "single values"),
    ("preflight", "preflight_min_memory_mb", 0, "Give it more"),
    ("preflight", "preflight_min_disk_mb", 0, DISK),
]
PORTS = [
    ("airflow", "airflow_api_port"),
    ("airflow", "airflow_broker_port"),
    ("airflow", "airflow_database_port"),
    ("airflow", "airflow_results_port"),
    ("airflow_flower", "airflow_flower_port"),
    ("postgres", "airflow_database_port"),
    ("valkey", "airflow_broker_port"),
]
PORT_SAID = {"airflow": "Set whole numbers"}
PASSWORDS = [
    ("airflow", "airflow_admin_password"),
    ("airflow", "airflow_broker_password"),
    ("airflow", "airflow_broker_scheduler_password"),
    ("airflow", "airflow_broker_monitor_password"),
    ("airflow", "airflow_database_password"),
    ("airflow", "airflow_results_password"),
    ("airflow_flower", "airflow_flower_password"),
]
KEYS = ["airflow_jwt_secret", "airflow_api_secret_key", "airflow_session_secret_key"]
HOSTS = ["airflow_broker_host", "airflow_database_host", "airflow_results_host"]
WORDS = [
    "airflow_database_name",
    "airflow_results_name",
    "airflow_database_username",
    "airflow_results_username",
]
TLS = {"airflow_tls_enabled": True}
BUNDLES = "as docs/settings.md shows, and leave dag_bundle_config_list"
GIT_BUNDLE = {"name": "a", "classpath": "airflow.providers.git.bundles.git.GitDagBundle"}
GIT_ARGUMENTS = {"tracking_ref": "main", "repo_url": "https://git.example.org/a.git"}
TLS_SERVERS = {
    "valkey": "broker",
    "postgres": "database",
    "airflow_api_server": "api",
    "airflow_flower": "flower",
}


OBJECTS = {"connections": "connection_id", "variables": "key", "pools": "name", "users": "username"}
# The roles that check the variables of examples in docs/settings.md, others than `airflow`.
EXAMPLE_ROLES = {
    "airflow_worker_instances": "airflow_worker",
    **{f"airflow_{kind}": "airflow_objects" for kind in OBJECTS},
}
EXAMPLE_CASES = [
    case
    for name, value in EXAMPLES.items()
    for case in accepted(EXAMPLE_ROLES.get(name, "airflow"), name, value)
]

CASES: list[Case] = [
    *EXAMPLE_CASES,
    # Numbers.
    *(case for role, name, low, said in NUMBERS for case in refused(role, name, said, True, low - 1)),
    *refused("airflow", "airflow_parallelism", ARGUMENT, 1.5, "0x20", "12 tasks"),
    *refused("airflow", "airflow_parallelism", "Set whole numbers", "012"),
    *accepted("airflow_worker", "airflow_worker_stop_timeout", "600"),
    # Ports.
    *(
        case
        for role, name in PORTS
        for case in refused(role, name, PORT_SAID.get(role, "65535"), True, 65536)
    ),
    *refused("airflow", "airflow_api_port", "Set whole numbers", 0, 80),
    *accepted("airflow", "airflow_broker_port", 443),
    # Versions, packages.
    *refused(
        "airflow", "airflow_version", "Set it to one of: 3", "../x", "3.3.2\n", "3", 3.3, "3.3.2/../3.3.2"
    ),
    *accepted("airflow", "airflow_version", "3.2.2"),
    *refused(
        "airflow",
        "airflow_extra_packages",
        PACKAGES,
        ["--index-url=http://example.org/simple"],
        ["-r/etc/shadow"],
        ["cowsay --no-deps"],
        ["cowsay==6.1 --hash=sha256:00"],
        ["cowsay\n"],
        ["/root/package"],
        ["../package"],
        ["cowsay # a comment"],
        [""],
        "cowsay",
    ),
    *accepted(
        "airflow",
        "airflow_extra_packages",
        [f"cowsay==6.1 --hash=sha256:{'0' * 64} --hash=sha512:{'f' * 128}"],
        ["cowsay==6.1", "apache-airflow-providers-http[common] >= 5 ; python_version > '3'"],
        ["cowsay @ https://example.org/cowsay-6.1.tar.gz#sha256=00"],
    ),
    *refused(
        "airflow",
        "airflow_system_packages",
        "names of Debian packages",
        ["libpq5\n"],
        ["libpq5; reboot"],
        ["libpq5=17"],
        ["-o=x"],
        ["$(id)"],
        [1],
        "libpq5 libaio1",
    ),
    *accepted("airflow", "airflow_system_packages", ["g++", "libc6:amd64", "libaio1t64"]),
    *refused(
        "airflow", "airflow_package_index_url", PACKAGES, "ftp://example.org", "http://a b", "http://a\n"
    ),
    *refused("airflow", "airflow_package_ca_file", PACKAGES, "ca.pem", "/ca.pem\n"),
    *refused("airflow", "airflow_package_environment", PACKAGES, {"A B": "1"}, {"A": "1\n2"}),
    # Options of Airflow.
    *refused("airflow", "airflow_config", "Write it as", {"core\n": {}}, {"core": "x"}, {"core": {"A": 1}}),
    *refused(
        "airflow", "airflow_config", "control character", {"core": {"a": "1\r"}}, {"core": {"a": "\x7f"}}
    ),
    *accepted("airflow", "airflow_config", {"core": {"a": "two\nlines\tand $HOME % \" ' \\ `"}}),
    # Variables of the environment.
    *(
        case
        for name in ("airflow_environment", "airflow_environment_gpu")
        for case in refused(
            "airflow",
            name,
            "as {NAME: text}",
            {"A B": LONG},
            {"A\n": LONG},
            {"AIRFLOW__CORE__FERNET_KEY": LONG},
            {"PATH": LONG},
            {"A": f"{LONG}\x00"},
            {"A": True},
            LONG,
            [LONG],
        )
    ),
    *accepted(
        "airflow",
        "airflow_environment",
        {
            "AIRFLOW_CONN_A": {"conn_type": "http"},
            "AIRFLOW_VAR_A": "two\nlines $HOME",
            "https_proxy": None,
            "N": 1,
        },
    ),
    *refused("airflow", "airflow_webserver_config", "not a file on the controller", "/no/such/file", "/etc"),
    *accepted("airflow", "airflow_webserver_config", "", "/etc/hosts"),
    *refused("airflow", "airflow_share_environment", ARGUMENT, "maybe"),
    # DAG bundles; test_bundles.py has the others.
    *refused(
        "airflow",
        "airflow_dag_bundles",
        BUNDLES,
        [{"name": "a", "classpath": "a.B"}],
        [{**GIT_BUNDLE, "name": "lakehouse", "kwargs": GIT_ARGUMENTS}],
        [{**GIT_BUNDLE, "kwargs": {**GIT_ARGUMENTS, "branch": "main"}}],
    ),
    *refused("airflow", "airflow_dag_bundles", ARGUMENT, ["a"]),
    *accepted("airflow", "airflow_dag_bundles", [{**GIT_BUNDLE, "kwargs": GIT_ARGUMENTS}]),
    Case(
        "airflow",
        "airflow_dag_bundles",
        [{**GIT_BUNDLE, "kwargs": GIT_ARGUMENTS}],
        BUNDLES,
        {"airflow_config": {"dag_processor": {"dag_bundle_config_list": []}}},
    ),
    *refused("airflow", "airflow_environments_keep", "must be 1 or more", 0, True),
    # Housekeeping and logs.
    *refused("airflow", "airflow_database_keep_days", "Set whole numbers", True, -1),
    *accepted("airflow", "airflow_database_keep_days", 0, 30),
    *refused("airflow", "airflow_task_logs_keep_days", "Set whole numbers", True, -1),
    *refused("airflow", "airflow_task_logs_max_size", "as 500M or 20G", "20", "20G\n", "0G", "20 GB"),
    *accepted("airflow", "airflow_task_logs_max_size", "", "1T"),
    *refused("airflow", "airflow_journal_max_use", "as 500M or 20G", "10%", "1G\n", "0G", "1G'; id"),
    *refused(
        "airflow",
        "airflow_git_known_hosts",
        BUNDLES,
        "git.example.org ssh-ed25519 AAAA",
        ["git.example.org"],
        ["git.example.org ssh-ed25519 AAAA\n"],
        ["# git.example.org:22 SSH-2.0-OpenSSH_10.0"],
    ),
    *accepted(
        "airflow",
        "airflow_git_known_hosts",
        ["[git.example.org]:2222,192.0.2.7 ecdsa-sha2-nistp256 AAAA= me"],
    ),
    *refused(
        "airflow",
        "airflow_environment",
        'must have strict_host_key_checking: "yes"',
        {"AIRFLOW_CONN_GIT": {"conn_type": "git", "extra": {"private_key": f"{LONG}\n"}}},
        {"AIRFLOW_CONN_GIT": f"git://git@git.example.org/?private_key={LONG}%0A"},
    ),
    # Hosts and addresses.
    *(
        case
        for name in (
            "airflow_firewall_ui_sources",
            "airflow_firewall_flower_sources",
            "airflow_firewall_metrics_sources",
        )
        for case in [
            *refused(
                "airflow",
                name,
                "must hold IP addresses and networks",
                ["office.example.com"],
                ["10.0.0.1/8"],
                [0],
            ),
            *accepted("airflow", name, [], ["192.0.2.0/24", "2001:db8::1"]),
        ]
    ),
    *refused("airflow", "airflow_exporters", ARGUMENT_CHOICE, ["statsd"], ["node\n"], [1]),
    *accepted("airflow", "airflow_exporters", [], ["node", "postgres", "valkey"]),
    *(case for name in HOSTS for case in refused("airflow", name, CONNECTIONS, "db:5432", "db\n")),
    *refused(
        "airflow", "airflow_database_host", CONNECTIONS, "10.1", "-db", "a..b", "one,two", "a b", "", ["db"]
    ),
    *accepted("airflow", "airflow_database_host", "2001:db8::1", "db_1.example.org", "192.0.2.7"),
    *refused(
        "preflight",
        "airflow_host_address",
        "Set airflow_host_address",
        "0.0.0.0/0",
        "0.0.0.0",
        "::",
        "0",
        "192.0.2.1\n",
        "all",
        "224.0.0.1",
        "fe80::1%eth0",
        "10.1",
    ),
    *refused(
        "preflight", "airflow_host_address", "Other hosts do not reach it", "127.0.0.1", "::1", "localhost"
    ),
    *accepted("preflight", "airflow_host_address", "192.0.2.1", "198.51.100.7"),
    *refused(
        "airflow_flower", "airflow_flower_bind_address", "an address of the host", "*", "0.0.0.0:5555", ""
    ),
    *refused("airflow_api_server", "airflow_api_server_bind_address", "an address", "*", "0.0.0.0\n", True),
    *accepted("airflow_api_server", "airflow_api_server_bind_address", "::", "localhost"),
    *refused(
        "airflow",
        "airflow_execution_api_url",
        CONNECTIONS,
        "ftp://airflow-api/execution/",
        "http://airflow-api:8080/execution/\n",
        "http://airflow-api:8080/$HOME",
        "http://user:secret@airflow-api/",
        "airflow-api",
    ),
    *accepted("airflow", "airflow_execution_api_url", "https://[2001:db8::1]:8443/execution/"),
    Case(
        "airflow",
        "airflow_execution_api_url",
        "http://lb/execution/",
        ADDRESS,
        {"airflow_base_url": HTTP_URL},
    ),
    Case(
        "airflow",
        "airflow_execution_api_url",
        "http://lb/airflow/execution",
        None,
        {"airflow_base_url": HTTP_URL},
    ),
    # Where people reach the UI, and Flower.
    *(
        case
        for role, name, said in (
            ("airflow", "airflow_base_url", ADDRESS),
            ("airflow_flower", "airflow_flower_base_url", "write it as an http or https URL"),
        )
        for case in [
            *refused(
                role,
                name,
                said,
                "airflow.company.test",
                "ftp://airflow.company.test",
                "http://user:secret@airflow.company.test/",
                "http://airflow.company.test/?a=b",
                "http://airflow.company.test/$HOME",
                "http://airflow.company.test/a b",
                "http://airflow.company.test/\n",
            ),
            *accepted(role, name, "", "http://airflow.company.test", "http://[2001:db8::1]:8080/airflow/"),
        ]
    ),
    *refused("airflow", "airflow_base_url", "TLS ends at one of them", PATH_URL),
    Case("airflow", "airflow_base_url", PATH_URL, None, {"airflow_proxy_addresses": ["192.0.2.7"]}),
    Case("airflow", "airflow_base_url", PATH_URL, None, TLS),
    Case("airflow", "airflow_base_url", "http://airflow.company.test/", "with which http is refused", TLS),
    *accepted("airflow_flower", "airflow_flower_base_url", "https://company.test/flower"),
    Case("airflow_flower", "airflow_flower_base_url", "http://flower.company.test/", "as one of https", TLS),
    *refused(
        "airflow",
        "airflow_proxy_addresses",
        "of the proxies, not of everybody",
        ["proxy.company.test"],
        ["10.0.0.1/8"],
        ["0.0.0.0/0"],
        ["::/0"],
        ["*"],
    ),
    *accepted("airflow", "airflow_proxy_addresses", ["192.0.2.0/24", "2001:db8::1"]),
    # Facts, which come from the hosts.
    *(
        fact("Change the name with", nodename=name)
        for name in ("node\n192.0.2.66 postgres", "worker1", "", "a b", "a;b", "../x", "x" * 300)
    ),
    fact(None, nodename="node-b.example.org"),
    fact("Debian 12 and 13 are supported", distribution_major_version="10", distribution_version="10.13"),
    fact("Debian 12 and 13 are supported", distribution="Ubuntu"),
    fact("Boot it with systemd", service_mgr="sysvinit"),
    fact("it has 192.0.2.99", all_ipv4_addresses=["192.0.2.99"]),
    Case("preflight", "preflight_min_memory_mb", 100_000_000, "Give it more, or lower the variable"),
    Case("preflight", "preflight_min_disk_mb", 100_000_000, DISK),
    # Backups.
    *refused(
        "airflow_backup", "airflow_backup_schedule", "as systemd's OnCalendar", "daily\n", "$(id)", "a;b"
    ),
    *accepted("airflow_backup", "airflow_backup_schedule", "", "*-*-* 02:30:00", "Mon..Fri 04:00"),
    *refused(
        "airflow_backup",
        "airflow_backup_dump_directory",
        "to an absolute path",
        "backups",
        "/backups",
        "/var/../etc",
        "/var/a b",
        "/var/a\n",
    ),
    *refused("airflow_backup", "airflow_backup_keep", "number of backups, 1 or more", 0, True),
    *refused("airflow_backup", "airflow_backup_keep", ARGUMENT, "all"),
    *accepted("airflow_backup", "airflow_backup_dump_directory", "/srv/airflow-backups_1.d"),
    *refused(
        "pgbackrest",
        "pgbackrest_config",
        "leave stanza, archive-check",
        {"repo1-path\n": "/srv"},
        {"pg1-path": "/srv"},
        {"repo1-path": {"a": 1}},
        {"repo1-path": None},
        {"repo1-path": "/srv\n[airflow]"},
    ),
    *refused("pgbackrest", "pgbackrest_config", ARGUMENT, ["repo1-path"]),
    *accepted(
        "pgbackrest",
        "pgbackrest_config",
        {"repo1-bundle": True, "repo1-host-port": 22, "db-include": ["a", "b"]},
    ),
    *refused(
        "pgbackrest",
        "pgbackrest_schedule",
        "if they are wanted",
        {"incr": "daily"},
        {"full": 1},
        {"all": "daily"},
    ),
    # Secrets.
    *(
        case
        for role, name in PASSWORDS
        for case in [
            *refused(role, name, f"{name} is shorter than 8 characters", "a"),
            *refused(role, name, f"{name} is not text", False),
            *accepted(role, name, "%/@:$ \"'\\" + LONG),
        ]
    ),
    *refused(
        "airflow",
        "airflow_admin_password",
        "airflow_admin_password has fewer than 5 different characters",
        "aaaaaaaaaaaa",
    ),
    *refused(
        "airflow",
        "airflow_admin_password",
        "airflow_admin_password is not text",
        1234567890123,
        [LONG],
        {"a": LONG},
    ),
    *refused(
        "airflow",
        "airflow_admin_password",
        "airflow_admin_password holds a line break",
        f"{LONG}\n",
        f"{LONG}\x7f",
    ),
    *accepted("airflow", "airflow_admin_password", f"~{LONG}$HOME", "correct horse battery staple"),
    *refused(
        "airflow_flower", "airflow_flower_password", "airflow_flower_password holds a comma", f"{LONG},x"
    ),
    *refused(
        "airflow_flower",
        "airflow_flower_password",
        "airflow_flower_password holds a '$'",
        f"{LONG}$HOME",
        f"${{HOME}}{LONG}",
    ),
    *refused(
        "airflow_flower",
        "airflow_flower_password",
        "airflow_flower_password holds a character that is not ASCII",
        f"{LONG}ü",
    ),
    *accepted("airflow_flower", "airflow_flower_password", f"{LONG}:x"),
    *(
        case
        for name in KEYS
        for case in [
            *refused("airflow", name, f"{name} is shorter than 32 characters", LONG),
            *refused("airflow", name, f"{name} is not text", True),
        ]
    ),
    *refused(
        "airflow", "airflow_jwt_secret", "airflow_jwt_secret has fewer than 5 different characters", "a" * 64
    ),
    *refused(
        "airflow", "airflow_jwt_secret", "airflow_jwt_secret holds a '$'", f"$HOME{LONG * 2}", f"~{LONG * 2}"
    ),
    *accepted("airflow", "airflow_jwt_secret", LONG * 2),
    *refused(
        "airflow",
        "airflow_fernet_key",
        "airflow_fernet_key is not a Fernet key",
        "not-a-key",
        FERNET[:-1],
        f"{FERNET}\n",
        FERNET.replace("=", ""),
        f"{FERNET},",
        "+" + FERNET[1:],
    ),
    *refused(
        "airflow",
        "airflow_fernet_key",
        "airflow_fernet_key has fewer than 5 different characters",
        "A" * 43 + "=",
    ),
    *accepted("airflow", "airflow_fernet_key", FERNET, f"{FERNET},{FERNET[::-1].replace('=', '') + '='}"),
    # Names.
    *refused("airflow", "airflow_admin_username", "name@host", "admin\n", "a b", "", "--role=Admin x"),
    *refused("airflow", "airflow_admin_email", "name@host", "admin", "a@b\n", "a b@c"),
    *refused(
        "airflow_flower", "airflow_flower_username", "'@' and '-'", "flower\n", "a:b", "a,b", "$USER", "~root"
    ),
    *(
        case
        for name in WORDS
        for case in refused("postgres", name, "Choose other names", f"x{name}\n", "postgres")
    ),
    *(case for name in WORDS for case in refused("airflow", name, CONNECTIONS, "a\nb")),
    *refused("airflow", "airflow_database_name", CONNECTIONS, "", True),
    *refused(
        "valkey", "airflow_broker_username", "must differ, consist of", "airflow\n", "default", "a b", "admin"
    ),
    *refused("valkey", "airflow_broker_monitor_username", "must differ", "airflow", "monitor\n"),
    *refused(
        "airflow", "airflow_api_token_rate_limit", "write it as 10/minute", "10", "0/minute", "10/minute\n"
    ),
    *accepted("airflow", "airflow_api_token_rate_limit", "", "5/second"),
    *refused(
        "airflow_worker",
        "airflow_worker_queues",
        "for example [default, heavy]",
        ["default\n"],
        ["heavy load"],
        ["a,b"],
        ["host.worker1"],
        [],
        "default",
        [True, ""],
    ),
    *refused("airflow_worker", "airflow_worker_batch", "34%", "34%\n", "0", 0, "101%", "all", True, -1),
    *accepted("airflow_worker", "airflow_worker_batch", 2, "100%"),
    *refused(
        "airflow_worker",
        "airflow_worker_unit_directives",
        "move what limits the worker into airflow_limits",
        {"MemoryMax": "80%"},
        {"PrivateDevices": False, "TasksMax": 100},
    ),
    *accepted("airflow_worker", "airflow_worker_unit_directives", {"PrivateDevices": False, "Nice": 5}),
    # test_limits.py has the others.
    *refused(
        "airflow_worker",
        "airflow_worker_instances",
        "Write it as {name: settings}",
        {"gpu": {}},
        {"a b": {"queues": ["gpu"]}},
        {"gpu": {"queues": ["gpu"], "limits": {"Nice": 5}}},
        {"gpu": {"queues": ["gpu"], "unit_directives": {}}},
    ),
    *refused("airflow_worker", "airflow_worker_instances", ARGUMENT, "gpu"),
    *refused(
        "airflow",
        "airflow_limits",
        "Write it as {service: {directive: value}}",
        {"workers": {"MemoryMax": "80%"}},
        {"worker": {"MemoryMax": "80 %"}},
        {"worker": {"Nice": 5}},
        {"worker": "80%"},
    ),
    *refused("airflow", "airflow_limits", ARGUMENT, "80%"),
    *accepted("airflow", "airflow_limits", {"flower": {"MemoryMax": "1G", "CPUWeight": 20}}),
    # Certificates and TLS.
    *refused("airflow", "airflow_database_sslmode", "Set airflow_database_ca_file", "verify-full"),
    *refused("airflow", "airflow_database_sslmode", ARGUMENT_VALUE, "verify-full\n", "no"),
    *refused("airflow", "airflow_broker_ca_file", "Set airflow_database_ca_file", "/no/such/file"),
    *refused("airflow", "airflow_tls_names", "must list host names", "airflow.example.com", ["a b"], ["a\n"]),
    *refused("airflow", "airflow_tls_enabled", ARGUMENT, "maybe"),
    *accepted("airflow", "airflow_tls_enabled", True),
    Case("airflow", "airflow_execution_api_url", "http://api/execution/", "must begin with https://", TLS),
    Case("airflow", "airflow_tls_ca_file", "/no/such/file", "Set airflow_database_ca_file", TLS),
    Case("airflow", "airflow_broker_tls", False, "only with airflow_broker_tls", TLS),
    Case("airflow", "airflow_database_sslmode", "require", "and only for them", TLS),
    Case("airflow", "airflow_tls_names", ["airflow.example.com", "2001:db8::1"], None, TLS),
    *refused("valkey", "airflow_broker_tls", "set airflow_tls_enabled for all hosts", True),
    *(
        case
        for role, server in TLS_SERVERS.items()
        for case in [
            *accepted(role, "airflow_tls_enabled", True),
            Case(
                role,
                f"airflow_{server}_certificate_file",
                "/no/such/file",
                "the certificate file '/no/such/file' is not a file on the controller",
                TLS,
            ),
            Case(
                role, "airflow_tls_ca_file", "/etc/hosts", "a certificate that it has signed has to be", TLS
            ),
        ]
    ),
    # The servers.
    *refused(
        "postgres",
        "postgres_listen_addresses",
        "its own item",
        ["a,b"],
        ["localhost\n"],
        ["'"],
        [],
        "localhost",
    ),
    *refused("haproxy", "hosts_file_enabled", "Set hosts_file_enabled: true", False, "no"),
    *accepted("haproxy", "hosts_file_enabled", True),
    *refused("postgres", "postgres_shared_buffers", "sizes such as", "128MB\n", "a lot", "128mb'", True),
    *refused(
        "postgres",
        "postgres_config",
        "single values",
        {"jit\n": 1},
        {"port": 1},
        {"jit": "on\nlisten_addresses = '*'"},
        {"jit": []},
        {"jit": None},
    ),
    *refused(
        "valkey", "valkey_bind_addresses", "not names", ["0.0.0.0/0"], ["localhost"], ["192.0.2.1\n"], [], "*"
    ),
    *refused(
        "valkey",
        "valkey_user_rules",
        "lists of rules without passwords",
        {"worker": [">x"]},
        {"worker": ["NOPASS"]},
        {"monitor": ["~*\n"]},
        {"monitor": ["reset"]},
        {"scheduler": "~*"},
        {"admin": ["+info"]},
    ),
    *refused("valkey", "valkey_user_rules", ARGUMENT, "~*"),
    *accepted("valkey", "valkey_user_rules", {"monitor": ["+info", "(~x +get)"]}),
    *refused("valkey", "valkey_save", "pairs of seconds", [[True, 1]], [[1]], ["12"], [[0, 1]], [["1\n", 1]]),
    *refused("valkey", "valkey_maxmemory", "512mb", "64mb\n", "a lot", True),
    *refused("valkey", "valkey_config", "single values", {"hz\n": 1}, {"user": "x"}, {"hz": [1]}),
    *refused("valkey", "valkey_backports_url", "http or https", "http://a\nSuites: x", "file:/", True),
    # Plugins and local settings.
    *refused(
        "airflow", "airflow_plugins_source", "a directory and a file", "/no/such", "/etc/passwd", "/dev"
    ),
    *refused("airflow", "airflow_local_settings", "a directory and a file", "/no/such", "/etc"),
    *accepted("airflow", "airflow_plugins_source", "", str(PROJECT / "dags")),
    *accepted("airflow", "airflow_local_settings", "", str(PROJECT / "dags" / "example_retry.py")),
    # Connections, variables, pools and users; test_objects.py has the others.
    *(
        case
        for kind, identifier in OBJECTS.items()
        for case in refused(
            "airflow_objects",
            f"airflow_{kind}",
            "as docs/settings.md shows",
            LONG,
            [LONG],
            [{}],
            [{identifier: "a", "pasword": LONG}],
            [{identifier: [LONG]}],
            {identifier: "a"},
        )
    ),
    *refused("airflow_objects", "airflow_users", "'admin' has variables of its own", [{"username": "admin"}]),
    *refused("airflow_objects", "airflow_objects_exclusive", ARGUMENT_CHOICE, ["dags"]),
    *accepted("airflow_objects", "airflow_objects_exclusive", [], ["pools", "users"]),
    # DAGs; test_directory_archive.py has the others.
    *refused("airflow_dags", "airflow_dags_source", "the root of the file system", "/", "/etc/.."),
    *refused(
        "airflow_dags", "airflow_dags_source", "not a directory", "/no/such/directory", "/etc/passwd", ""
    ),
    *refused("airflow_dags", "airflow_dags_source", "FIFO", "/dev"),
    *refused("airflow_dags", "airflow_dags_import_check", ARGUMENT, "maybe"),
]
ROLES = sorted({case.role for case in CASES})


def hosts() -> dict[str, list[Case]]:
    """Return the cases of each host."""
    found: dict[str, list[Case]] = {}
    for case in CASES:
        name = next((name for name, others in found.items() if may_share(case, others)), f"case{len(found)}")
        found.setdefault(name, []).append(case)
    return found


def may_share(case: Case, others: list[Case]) -> bool:
    """Return whether a host may have this case too: each is refused with its own message, or none is."""
    said = [other.said for other in others]
    return (
        not case.others
        and not others[0].others
        and case.role == others[0].role
        and case.variable not in [other.variable for other in others]
        and not ALONE & {case.said, *said}
        and (said == [None] * len(said) if case.said is None else not {None, case.said} & {*said})
    )


HOSTS_OF_CASES = hosts()


def plays() -> list[dict[str, Any]]:
    """Return the plays of playbooks/validate.yml that check the variables of roles, each for its cases."""
    found = []
    for play in yaml.safe_load((PLAYBOOKS / "validate.yml").read_text(encoding="utf-8")):
        imports = [task["ansible.builtin.import_role"] for task in play.get("tasks", [])]
        imports += [{"name": role["role"]} for role in play.get("roles", [])]
        for role in imports:
            name = role["name"].rpartition(".")[2]
            if name in ROLES and role.get("tasks_from") in (None, "validate"):
                found.append(
                    {
                        # The host "control" has no mistake: a run ends with a play in which all hosts fail.
                        "hosts": f"cases_{name},control",
                        "gather_facts": False,
                        "vars": play.get("vars", {}),
                        "vars_files": [str(PLAYBOOKS / file) for file in play["vars_files"]],
                        "tasks": [
                            {
                                "ansible.builtin.set_fact": {"cacheable": True},
                                "args": f"{{{{ {FACTS_VARIABLE} }}}}",
                            },
                            {"ansible.builtin.import_role": role},
                        ],
                    }
                )
    return found


def inventory(directory: Path) -> dict[str, Any]:
    """Return an inventory with a host for each case, and a cluster to which they do not belong."""
    secrets_file = directory / "secrets.yml"
    secrets_file.touch(mode=0o600)
    secrets_file.write_text(
        yaml.safe_dump({name: make() for name, make in GENERATORS.items()}), encoding="utf-8"
    )
    plugin, settings = blocks("python")
    (directory / "plugins").mkdir()
    (directory / "plugins" / "company.py").write_text(plugin, encoding="utf-8")
    (directory / "airflow_local_settings.py").write_text(settings, encoding="utf-8")
    for name, text in EXAMPLE_FILES.items():
        (directory / name).write_text(text, encoding="utf-8")
    control = {"hosts": {"control": {"ansible_host": "192.0.2.1"}}}
    groups = ("postgres", "valkey", "schedulers", "webservers", "flower")
    variables = {
        name: {
            "ansible_host": "192.0.2.1",
            **cases[0].others,
            **{
                FACTS_VARIABLE if case.variable == "ansible_facts" else case.variable: case.value
                for case in cases
            },
        }
        for name, cases in HOSTS_OF_CASES.items()
    }
    return {
        "all": {
            "vars": {
                "ansible_connection": "local",
                "airflow_secrets_file": str(secrets_file),
                FACTS_VARIABLE: FACTS,
                "preflight_max_clock_skew": DAY,
                "preflight_min_disk_mb": 0,
                "__preflight_started": time.time(),
            },
            "hosts": variables,
            "children": {
                **dict.fromkeys(groups, control),
                "workers": {"hosts": {"worker1": {"ansible_host": "192.0.2.101"}}},
                **{
                    f"cases_{role}": {
                        "hosts": {name: {} for name, cases in HOSTS_OF_CASES.items() if cases[0].role == role}
                    }
                    for role in ROLES
                },
            },
        }
    }


def messages(result: dict[str, Any]) -> Iterator[str]:
    """Return what a failed task says."""
    if result.get("failed"):
        yield str(result.get("msg", ""))
        yield from result.get("argument_errors", [])
    for item in result.get("results", []):
        yield from messages(item)


@dataclass(frozen=True)
class Outcome:
    result: Result
    # By host; none if it was accepted.
    said: dict[str, str]
    changed: dict[str, int]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Check all cases in one run."""
    directory = tmp_path_factory.mktemp("inventory")
    (directory / "hosts.yml").write_text(yaml.safe_dump(inventory(directory)), encoding="utf-8")
    (directory / "play.yml").write_text(yaml.safe_dump(plays()), encoding="utf-8")
    result = run_command(
        "ansible-playbook",
        f"--inventory={directory / 'hosts.yml'}",
        str(directory / "play.yml"),
        cwd=PROJECT,
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        **dict.fromkeys(EXAMPLE_SECRETS, LONG),
    )
    assert "{" in result.output, result.output
    report = json.loads(re.sub(r"\A.*?^(?={)", "", result.output, flags=re.DOTALL | re.MULTILINE))
    said: dict[str, list[str]] = {name: [] for name in ["control", *HOSTS_OF_CASES]}
    for task in (task for entry in report["plays"] for task in entry["tasks"]):
        for name, found in task["hosts"].items():
            said[name] += messages(found)
    return Outcome(
        result,
        {name: " ".join(" ".join(texts).split()) for name, texts in said.items()},
        {name: stats["changed"] for name, stats in report["stats"].items()},
    )


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name, cases in HOSTS_OF_CASES.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) else f"{value.variable}={value.value!r:.40}",
)
def test_input_is_refused_with_variable_host_and_remedy_or_accepted(
    outcome: Outcome, name: str, case: Case
) -> None:
    said = outcome.said[name]
    if case.said is None:
        assert not said
    else:
        assert case.said in said
        assert case.variable in (*re.split(r"\W", said), "ansible_facts")
        # Where a type is wrong, Ansible itself says the host.
        assert name in said or said.startswith("Validation of arguments")
    assert outcome.changed[name] == 0


def test_several_databases_need_debian_13_and_leave_the_loopback_interface(tmp_path: Path) -> None:
    play = next(play for play in plays() if play["hosts"] == "cases_postgres,control")
    content = inventory(tmp_path)
    content["all"]["hosts"] = {
        "well": {"ansible_host": "192.0.2.1"},
        "everywhere": {"ansible_host": "192.0.2.2", "postgres_listen_addresses": ["*"]},
        "local": {"ansible_host": "192.0.2.3", "postgres_listen_addresses": ["localhost", "192.0.2.3"]},
        "other": {"ansible_host": "192.0.2.4", "postgres_listen_addresses": ["192.0.2.9"]},
        "bookworm": {
            "ansible_host": "192.0.2.5",
            FACTS_VARIABLE: {**FACTS, "distribution_major_version": "12"},
        },
    }
    content["all"]["children"]["postgres"] = {"hosts": dict.fromkeys(content["all"]["hosts"])}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, "hosts": "postgres"}]), encoding="utf-8")
    result = run_command(
        "ansible-playbook", f"--inventory={tmp_path / 'hosts.yml'}", str(tmp_path / "play.yml"), cwd=PROJECT
    )
    for host in ("everywhere", "local", "other", "bookworm"):
        assert f"{host}: where the group has several hosts, they need Debian 13" in result.text
    assert "fatal: [well]" not in result.text


def test_of_several_brokers_each_has_its_own_address(tmp_path: Path) -> None:
    play = next(play for play in plays() if play["hosts"] == "cases_valkey,control")
    content = inventory(tmp_path)
    content["all"]["hosts"] = {
        "well": {"ansible_host": "192.0.2.1"},
        "everywhere": {"ansible_host": "192.0.2.1", "valkey_bind_addresses": ["*", "192.0.2.1"]},
        "local": {"ansible_host": "192.0.2.1", "valkey_bind_addresses": ["127.0.0.1"]},
        "named": {"ansible_host": "192.0.2.1", "airflow_broker_monitor_username": "sentinel"},
    }
    content["all"]["children"]["valkey"] = {"hosts": dict.fromkeys(content["all"]["hosts"])}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, "hosts": "valkey"}]), encoding="utf-8")
    result = run_command(
        "ansible-playbook", f"--inventory={tmp_path / 'hosts.yml'}", str(tmp_path / "play.yml"), cwd=PROJECT
    )
    for host in ("everywhere", "local"):
        assert f"{host}: with several hosts in the group, valkey_bind_addresses" in result.text
    assert "named: airflow_broker_username" in result.text
    assert "fatal: [well]" not in result.text


def test_a_host_without_a_mistake_passes(outcome: Outcome) -> None:
    assert outcome.said["control"] == ""
    assert len(CASES) >= 80


def test_no_message_shows_a_secret(outcome: Outcome) -> None:
    shown = [LONG, FERNET, "aaaaaaaaaaaa", "not-a-key", "1234567890123"]
    assert [secret for secret in shown if secret in outcome.result.output] == []


def test_every_role_that_checks_its_variables_is_checked_before_a_change() -> None:
    """The mechanism is the list of plays in playbooks/validate.yml."""
    text = (PLAYBOOKS / "validate.yml").read_text(encoding="utf-8")
    checked = re.findall(r"name: lakehouse\.airflow\.(\w+)\n +tasks_from: validate\n", f"{text}\n")
    assert sorted(checked) == sorted(
        path.parents[1].name for path in PROJECT.glob("roles/*/tasks/validate.yml")
    )
    assert sorted(play["hosts"] for play in plays()) == [f"cases_{role},control" for role in ROLES]


def test_no_pattern_accepts_a_line_break_at_the_end() -> None:
    """``$`` matches before a line break that ends the value; ``\\Z`` does not."""
    files = [path for directory in ("roles", "playbooks") for path in (PROJECT / directory).rglob("*.yml")]
    found = [
        f"{path.relative_to(PROJECT)}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"""(match|search|regex)['(,][^#]*\$\)*['"]|_pattern: .*\$\)*['"]""", line)
        and "regex_replace" not in line
    ]
    assert found == []


# Mistakes of the inventory as a whole. One task reports all that it finds.
INVENTORIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "variables": (
        {
            "vars": {"valkey_port": 6380},
            "hosts": {
                "control": {"ansible_host": "192.0.2.10"},
                "worker1": {"airflow_broker_port": 6380, "airflow_broker_password": LONG},
                "worker\n2": {"__postgres_clients": {"metadata": ["0.0.0.0/0"]}},
            },
            "workers": ["worker1", "worker\n2"],
        },
        [
            "valkey_port has no effect, set airflow_broker_port instead (control, worker 2, worker1)",
            "__postgres_clients is internal, remove it (worker 2)",
            "airflow_broker_port (control: not set, worker 2: not set, worker1: 6380)",
            "airflow_broker_password (control: not set, worker 2: not set, worker1: set)",
            "must be the same on all hosts",
            "group_vars/all",
            'also names of tasks and queues: ["control", "worker\\n2", "worker1"]',
            "and ansible_host for the address",
        ],
    ),
    "groups": (
        {
            "hosts": {"control": {}, "worker1": {}},
            "workers": ["worker1"],
            "valkey": ["control", "worker1"],
            "flower": [],
        },
        [
            "Group 'valkey' must hold one host, or 3, 5 or 7, of which a majority has to be up, or none",
            "it holds 2 control, worker1",
            "Put one host into 'valkey'",
            "Group 'flower' must hold exactly one host, it holds 0",
            "hosts.yml",
        ],
    ),
    "no server": (
        {"hosts": {"control": {}, "worker1": {}}, "workers": ["worker1"], "postgres": []},
        [
            "Group 'postgres' is empty",
            "airflow_database_host of control does not say where",
            "or put one host into the group",
        ],
    ),
    "names of groups": (
        {
            "vars": {"airflow_group_names": {"workers": ["workers"], "masters": "x\n"}},
            "hosts": {"control": {}, "worker1": {}},
            "workers": ["worker1"],
        },
        [
            "airflow_group_names: 'masters' is not a group of the collection",
            "'['workers']', for workers, is not a group of the inventory",
            "Write it as {group of the collection: group of the inventory}",
        ],
    ),
}


@pytest.mark.parametrize("name", INVENTORIES)
def test_a_wrong_inventory_is_refused_before_any_host_is_contacted(tmp_path: Path, name: str) -> None:
    content, expected = INVENTORIES[name]
    content = {"vars": {}, **content}
    groups = ("postgres", "valkey", "schedulers", "webservers", "flower", "workers")
    children: dict[str, Any] = {
        group: {"hosts": {host: {} for host in content.get(group, ["control"])}} for group in groups
    }
    path = tmp_path / "hosts.yml"
    path.write_text(
        yaml.safe_dump({"all": {"vars": content["vars"], "hosts": content["hosts"], "children": children}}),
        encoding="utf-8",
    )
    result = run_command("ansible-playbook", f"--inventory={path}", "playbooks/validate.yml")
    assert result.returncode != 0
    assert [words for words in expected if words not in result.text] == [], result.output
    assert LONG not in result.output
    assert "Gather the facts" not in result.output
    assert list(tmp_path.iterdir()) == [path]
