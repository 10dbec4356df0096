"""Each documented variable has an effect where it is set for all hosts of an inventory.

One run with an inventory that sets them all, then a row of a table for each: its value, and where it arrives.
It leaves the host with other ports and passwords than the other tests expect, so it is the last file.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import spec_docs
import yaml
from testlib import (
    EXAMPLE_FILES,
    EXAMPLES,
    PROJECT,
    Airflow,
    Cluster,
    Flower,
    Host,
    Result,
    blocks,
    run_command,
    run_playbook,
    run_site,
    wait_for,
)

ROLES = PROJECT / "roles"
# On the controller; removed with the scenario.
DIRECTORY = PROJECT / ".cache" / "lab" / "bookworm" / "variables"
DAGS, SECRETS_FILE = DIRECTORY / "dags", DIRECTORY / "secrets.yml"
# The certificate with which PostgreSQL starts has signed itself. The first line of each copy has its name.
CERTIFICATE = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
CA_FILES = {name: DIRECTORY / f"{name}.pem" for name in ("database", "results", "broker", "api")}
DAG = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("lab_variables", schedule=None):
    EmptyOperator(task_id="empty")
"""
COWSAY = "274b1e6fc1b966d53976333eb90ac94cb07a450a700b455af9fbdf882244b30a"
PLUGIN, SETTINGS = blocks("python")
DAG_FILES = {"broken.py": "import no_such_module\n", "variables.py": DAG}

# A second address of the host, which only this inventory knows.
ADDRESS = "198.18.3.11"
PATH = "/tools/airflow"
SENTINEL = "# Written by hand"
CA_DIRECTORY = "/var/tmp/lab-ca"  # noqa: S108 - on the host
INDEX_PORT = 8999
# An index that leads to PyPI and logs what is asked for.
INDEX = f"""
import http.server

class Redirect(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "https://pypi.org" + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

http.server.ThreadingHTTPServer(("127.0.0.1", {INDEX_PORT}), Redirect).serve_forever()
"""
PREPARATION = f"""
    ip address replace {ADDRESS}/32 dev eth0
    sed -i -e '/BEGIN lakehouse.airflow/a {SENTINEL}' -e 's/.* airflow-api$/{ADDRESS} airflow-api/' /etc/hosts
    # Refuses at once.
    echo '127.0.0.1 git.example.org' >>/etc/hosts
    mkdir -p {CA_DIRECTORY}
    # The file system notes each access, whatever the host's own do.
    mountpoint -q {CA_DIRECTORY} || mount -t tmpfs -o strictatime lab-ca {CA_DIRECTORY}
    cp /etc/ssl/certs/ca-certificates.crt {CA_DIRECTORY}/bundle.crt
    touch -a -d @0 {CA_DIRECTORY}/bundle.crt
    # Else they restart again and again while their servers move to other ports.
    systemctl stop 'airflow-*'
    systemctl --quiet is-active lab-index ||
        systemd-run --quiet --unit=lab-index --description=Index python3 -c %s
"""
# For a secret of a user, which may hold anything.
SPECIAL = "%/@:$ \"'\\"
OTHER_FERNET_KEY = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def password() -> str:
    return SPECIAL + secrets.token_urlsafe(12)


class After:
    """The host after the run, and the results of the further runs."""

    def __init__(self, host: Host, inventory: Path, results: dict[str, Result]) -> None:
        self.host, self.inventory, self.results = host, inventory, results

    @cached_property
    def airflow(self) -> Airflow:
        login = VALUES["airflow_admin_username"], VALUES["airflow_admin_password"]
        return Airflow(f"http://{ADDRESS}:8081{PATH}", *login)

    @cached_property
    def flower(self) -> Flower:
        login = VALUES["airflow_flower_username"], VALUES["airflow_flower_password"]
        return Flower(f"http://{ADDRESS}:5556/flower", *login)

    @cached_property
    def worker(self) -> dict[str, Any]:
        """Return what the worker answers to an inspection."""
        return self.flower.worker("single")


Look = Callable[[After], Any]
# With those of airflow_worker_instances.
WORKERS = {"celery@single", "celery@single.gpu", "celery@single.long"}


def each(*looks: Look) -> Look:
    return lambda after: [look(after) for look in looks]


def output(command: str) -> Look:
    return lambda after: after.host.check_output(command)


def processes(pattern: str, count: int) -> Look:
    """Return how many processes there are, when they are as many as they should be or after a minute.

    uvicorn ends a process that has not come up within five seconds, and starts another.
    """

    def look(after: After) -> int:
        command = f"ps -e -o unit,args | grep -c '{pattern}'"
        return wait_for(pattern, lambda: int(after.host.run(command).stdout), lambda found: found == count)

    return look


def environment(unit: str, option: str) -> Look:
    return lambda after: after.host.environment(unit)[f"AIRFLOW__{option}"]


def variable(name: str, *units: str) -> Look:
    """Return a variable of the environment of units."""
    return lambda after: [after.host.environment(f"airflow-{unit}").get(name) for unit in units]


def url(unit: str, option: str, part: str) -> Look:
    return lambda after: getattr(urlsplit(environment(unit, option)(after)), part)


def tls(unit: str, option: str) -> Look:
    """Return libpq's sslmode in a URL, and the first line of the file with the certificate authorities."""

    def look(after: After) -> list[str]:
        query = parse_qs(url(unit, option, "query")(after))
        return [query["sslmode"][0], after.host.check_output("head -n 1 %s", query["sslrootcert"][0])]

    return look


def listening(port: int) -> Look:
    """Return the addresses on which the host listens on a port."""
    return lambda after: {
        line.split()[3] for line in after.host.check_output(f"ss -Hltn 'sport = :{port}'").splitlines()
    }


def api(path: str, key: str) -> Look:
    """Return what the API answers the administrator."""
    return lambda after: after.airflow.call("GET", path)[key]


def bundles(unit: str) -> Look:
    """Return the names of the DAG bundles of a unit."""
    option = environment(unit, "DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST")
    return lambda after: [bundle["name"] for bundle in json.loads(option(after))]


def log_removal(number: int) -> Look:
    """Return an argument of the program that removes logs of the worker, whose timer runs."""
    words = "systemctl cat airflow-task-logs@worker.service | sed -n 's/.*task_logs.py //p' | cut -d' ' -f"
    return output(f"systemctl --quiet is-active airflow-task-logs@worker.timer && {words}{number + 1}")


def failed_logins(after: After) -> set[int]:
    """Return what the API server answers to more wrong passwords than its processes allow."""
    url = f"{after.airflow.url}/auth/token"
    login = {"username": "nobody", "password": "wrong"}
    count = 2 * VALUES["airflow_api_server_workers"] + 1
    return {requests.post(url, json=login, timeout=20).status_code for _try in range(count)}


def sql(query: str, database: str = "postgres") -> Look:
    return lambda after: after.host.sql(database, query)


def show(name: str) -> Look:
    return sql(f"SHOW {name}")


def database_login(kind: str) -> Look:
    """Log in to a database over the network."""

    def look(after: After) -> str:
        user, secret, name = (VALUES[f"airflow_{kind}_{key}"] for key in ("login", "password", "name"))
        command = f"PGPASSWORD=%s psql -h {ADDRESS} -p 5433 -U {user} -d {name} -Atc 'SELECT current_user'"
        return after.host.check_output(command, secret)

    return look


def valkey_config(name: str) -> Look:
    return lambda after: after.host.check_output(f"valkey-admin CONFIG GET {name}").split("\n")[1]


def broker(command: str, user: str = "") -> Look:
    """Run a command as the workers' or another user of the broker, on the host, for its firewall."""

    def look(after: After) -> str:
        client = f"valkey-cli -h {ADDRESS} -p 6380 --no-auth-warning --user %s --pass %s {command}"
        login = (VALUES[f"airflow_broker_{user}{key}"] for key in ("username", "password"))
        return after.host.check_output(client, *login)

    return look


def accepted_broker_password(after: After) -> str:
    """Log in to the broker with the other password of the workers' user."""
    client = f"valkey-cli -h {ADDRESS} -p 6380 --no-auth-warning --user %s --pass %s PING"
    login = VALUES["airflow_broker_username"], VALUES["airflow_accepted_secrets"]["airflow_broker_password"]
    return after.host.check_output(client, *login)


def let_in(port: int) -> Look:
    """Return the sources that the firewall lets in to a port."""
    rules = "nft list table inet lakehouse_airflow"
    return output(f"{rules} | sed -n 's/.*dport {port} ip saddr \\(.*\\) accept/\\1/p'")


def exported(port: int, name: str) -> Look:
    """Return the value of a metric without labels."""
    script = (
        "import sys, urllib.request as r;"
        f" text = r.urlopen('http://127.0.0.1:{port}/metrics').read().decode();"
        f" print(*[line.split()[1] for line in text.splitlines() if line.startswith('{name} ')])"
    )

    def look(after: After) -> str:
        return wait_for(
            name, lambda: after.host.check_output("python3 -c %s", script), lambda found: found == "1"
        )

    return look


def package_version(name: str) -> Look:
    """Return the version of a package of the runtime."""
    script = f"from importlib.metadata import version; print(version('{name}'))"
    return output(f'/opt/airflow/current/bin/python -c "{script}"')


def generated_secrets(after: After) -> list[Any]:
    """Return what is in the secrets file: nothing after the run, then what is asked for."""
    before = SECRETS_FILE.exists()
    lookup = "msg={{ lookup('lakehouse.airflow.secret', 'airflow_jwt_secret') }}"
    arguments = (f"--inventory={after.inventory}", "--module-name=ansible.builtin.debug", f"--args={lookup}")
    run_command("ansible", "single", *arguments).assert_success()
    return [before, list(yaml.safe_load(SECRETS_FILE.read_text(encoding="utf-8")))]


def refused(run: str, *words: str) -> Look:
    """Return which of the words a run does not say that must have failed."""

    def look(after: After) -> list[str]:
        result = after.results[run]
        assert result.returncode != 0
        return [text for text in words if text not in result.text]

    return look


def backup_units(directive: str, word: int | None = None) -> Look:
    """Return what a directive of the timer of the backup or of its service says, or a word of it."""

    def look(after: After) -> list[str]:
        lines = after.host.check_output(
            "systemctl cat airflow-backup.timer airflow-backup.service"
        ).splitlines()
        values = [line.partition("=")[2] for line in lines if line.startswith(f"{directive}=")]
        return [value if word is None else value.split()[word] for value in values]

    return look


def retries(run: str, task: str) -> Look:
    """Return how many retries a task had left each time it failed."""
    return lambda after: re.findall(rf"{task} \((\d+) retries left\)", after.results[run].text)


def reported(key: str) -> Look:
    """Return what the report of the last run that verified the cluster says."""
    return lambda _after: json.loads((DIRECTORY / "report.json").read_text(encoding="utf-8"))[key]


def failed_checks(after: After) -> set[str]:
    return {check["check"] for check in reported("checks")(after) if check["state"] == "failed"}


def unlisted_variable(after: After) -> list[str]:
    """Return the variables of Airflow after the run that removes the one which is not listed."""
    after.results["airflow_objects_exclusive"].assert_success()
    return [variable["key"] for variable in after.airflow.call("GET", "variables")["variables"]]


def user(after: After) -> list[Any]:
    """Sign in as the user, and return the roles."""
    (wanted,) = VALUES["airflow_users"]
    Airflow(after.airflow.url, wanted["username"], wanted["password"])
    return list(after.airflow.get(f"auth/fab/v1/users/{wanted['username']}").json()["roles"])


def batches(after: After) -> int:
    """Return in how many batches a dry run restarts the three workers of its inventory."""
    return after.results["airflow_worker_batch"].assert_success().text.count("Restart the workers in batches")


@dataclass(frozen=True)
class Row:
    name: str
    value: Any
    look: Look
    found: Any


@dataclass(frozen=True)
class Run:
    """A further run, with other values than those of the table."""

    values: dict[str, Any]
    playbook: str = "validate"
    arguments: list[str] = field(default_factory=list)


SERVERS = ("broker", "database", "api", "flower")


def certificate_run(server: str, **values: str | bool) -> Run:
    """Return a run with TLS that is refused for one certificate, which is given and not there."""
    others = [name for name in SERVERS if name != server]
    return Run(
        {
            "airflow_tls_enabled": True,
            "airflow_base_url": "",
            "airflow_flower_base_url": "",
            "airflow_execution_api_url": f"https://{ADDRESS}:8081/execution/",
            **{f"airflow_{name}_sslmode": "prefer" for name in ("database", "results")},
            **{f"airflow_{name}_ca_file": "" for name in ("database", "results", "api")},
            **{f"airflow_{name}_{kind}_file": "" for name in others for kind in ("certificate", "key")},
            **values,
        }
    )


# Some variables show only where they end a run, or in its output.
RUNS = {
    "airflow_tls": Run(
        {
            "airflow_tls_enabled": True,
            "airflow_tls_names": ["a b"],
            "airflow_tls_ca_file": "/no/such/file",
            "airflow_api_ca_file": "{{ airflow_tls_ca_file }}",
        }
    ),
    "airflow_rotate": Run({"airflow_rotate_timeout": 0}, "rotate_secrets"),
    "airflow_restore": Run({"airflow_backup_directory": "/no/such/backup"}, "restore"),
    "airflow_backup": Run({}, "backup"),
    "pgbackrest_restore_time": Run({}, "restore_point_in_time"),
    "airflow_restore_overwrite": Run({"airflow_restore_overwrite": "neither"}, "restore"),
    "broker certificate": certificate_run("broker", airflow_broker_tls=True),
    "database certificate": certificate_run("database"),
    "api certificate": certificate_run("api"),
    "flower certificate": certificate_run("flower"),
    "certificate of a host": certificate_run(
        "flower",
        airflow_flower_certificate_file="{{ airflow_tls_certificate_file }}",
        airflow_flower_key_file="{{ airflow_tls_key_file }}",
    ),
    "drain": Run({"airflow_worker_drain_timeout": 0}, "drain", ["--limit=single"]),
    "airflow_version": Run({"airflow_version": "3.0.0"}),
    "airflow_environments_keep": Run({"airflow_environments_keep": 0}),
    "airflow_rollback": Run({}, "rollback"),
    "airflow_uninstall": Run({}, "uninstall"),
    "airflow_update": Run({"airflow_update_reboot": True}, "update_hosts", ["--check"]),
    "airflow_group_names": Run({"airflow_group_names": {"workers": "nowhere", "masters": "celery"}}),
    "airflow_results": Run({"airflow_results_host": "elsewhere", "airflow_results_port": 5434}),
    "airflow_broker_tls": Run(
        {"airflow_broker_tls": True, "airflow_broker_ca_file": str(CA_FILES["broker"])}
    ),
    "airflow_broker_ca_file": Run({"airflow_broker_tls": True, "airflow_broker_ca_file": "/no/such/file"}),
    "preflight_min_memory_mb": Run({"preflight_min_memory_mb": 100_000_000}),
    "preflight_min_disk_mb": Run({"preflight_min_disk_mb": 100_000_000}),
    "preflight_max_clock_skew": Run({"preflight_max_clock_skew": -100}),
    "airflow_ready_timeout": Run(
        {"airflow_ready_timeout": 2, "airflow_flower_password": "another password"},
        "site",
        ["--tags=verify", "--skip-tags=validate,smoke_test"],
    ),
    "airflow_smoke_test_timeout": Run({"airflow_smoke_test_timeout": 3}, "site", ["--tags=smoke_test"]),
    "airflow_worker_batch": Run({}, "workers", ["--check"]),
    "airflow_objects_exclusive": Run({}, "site", ["--tags=objects", "--skip-tags=validate"]),
}

CPUS = os.cpu_count() or 1

AIRFLOW = [
    # That a version which has a lock is installed is tested by the upgrade: another one is refused.
    Row(
        "airflow_version",
        "3.3.2",
        each(
            output("readlink /opt/airflow/current | cut -d- -f1"),
            api("version", "version"),
            refused("airflow_version", "airflow_version of single is '3.0.0'", "no lock file"),
        ),
        ["/opt/airflow/3.3.2", "3.3.2", []],
    ),
    Row(
        "airflow_extra_packages",
        [*EXAMPLES["airflow_extra_packages"], f"cowsay==6.1 --hash=sha256:{COWSAY}"],
        each(package_version("openpyxl"), package_version("cowsay")),
        ["3.1.5", "6.1"],
    ),
    Row(
        "airflow_system_packages",
        EXAMPLES["airflow_system_packages"],
        output("ls /usr/bin/rsync /usr/bin/isql"),
        "/usr/bin/isql\n/usr/bin/rsync",
    ),
    Row(
        "airflow_package_index_url",
        index := f"http://127.0.0.1:{INDEX_PORT}/simple/",
        each(
            output("journalctl --unit=lab-index --output=cat | grep -om1 '/simple/cowsay/'"),
            variable("UV_DEFAULT_INDEX", "worker"),
        ),
        ["/simple/cowsay/", [index]],
    ),
    Row(
        "airflow_package_ca_file",
        f"{CA_DIRECTORY}/bundle.crt",
        output(f"test $(stat --format=%X {CA_DIRECTORY}/bundle.crt) -gt 0 && echo was read"),
        "was read",
    ),
    # uv then puts pip into the environment.
    Row(
        "airflow_package_environment",
        {"UV_VENV_SEED": "1"},
        output("ls /opt/airflow/current/bin/pip"),
        "/opt/airflow/current/bin/pip",
    ),
    Row(
        "airflow_config",
        {"api": {"expose_config": True}, "core": {"default_task_retries": 4}},
        api("config/section/core/option/default_task_retries", "sections"),
        [{"name": "core", "options": [{"key": "default_task_retries", "value": "4"}]}],
    ),
    Row(
        "airflow_environment",
        {**EXAMPLES["airflow_environment"], "LAB_ENVIRONMENT": SPECIAL},
        each(
            variable("LAB_ENVIRONMENT", "worker", "dag-processor", "triggerer"),
            # Of the example for a group.
            variable("NO_PROXY", "worker"),
            output("airflow connections get warehouse --output plain | grep -c warehouse.example.org"),
        ),
        [[SPECIAL] * 3, ["airflow-api,localhost,models.example.org"], "1"],
    ),
    Row(
        "airflow_share_environment",
        value=True,
        look=variable("LAB_ENVIRONMENT", "scheduler", "api-server", "flower"),
        found=[SPECIAL] * 3,
    ),
    Row(
        "airflow_plugins_source",
        EXAMPLES["airflow_plugins_source"],
        lambda after: {plugin["name"] for plugin in after.airflow.call("GET", "plugins")["plugins"]},
        {"company", "lakehouse"},
    ),
    Row(
        "airflow_local_settings",
        EXAMPLES["airflow_local_settings"],
        lambda after: after.airflow.call("GET", "dags/lab_variables/tasks/empty")["execution_timeout"][
            "days"
        ],
        1,
    ),
    # That their DAGs run is tested by the scenario `existing`.
    Row(
        "airflow_dag_bundles",
        EXAMPLES["airflow_dag_bundles"],
        each(
            bundles("airflow-dag-processor"),
            bundles("airflow-worker"),
            output("ls /usr/bin/git /usr/bin/ssh"),
        ),
        [["dags-folder", "lakehouse", "warehouse", "reports"]] * 2 + ["/usr/bin/git\n/usr/bin/ssh"],
    ),
    Row(
        "airflow_git_known_hosts",
        EXAMPLES["airflow_git_known_hosts"],
        output("cat /etc/airflow/git_known_hosts"),
        f"git.example.org {EXAMPLE_FILES['git_host_key.pub'].strip()}",
    ),
    # What it removes is tested by the scenario `operations`.
    Row(
        "airflow_database_keep_days",
        400,
        output(
            "systemctl --quiet is-active airflow-housekeeping.timer && "
            "systemctl cat airflow-housekeeping.service | sed -n 's/.*housekeeping.py //p'"
        ),
        "400",
    ),
    # What they remove is tested by the scenario `existing`.
    Row("airflow_task_logs_keep_days", EXAMPLES["airflow_task_logs_keep_days"], log_removal(1), "30"),
    Row("airflow_task_logs_max_size", EXAMPLES["airflow_task_logs_max_size"], log_removal(2), str(20 << 30)),
    # journald says it when it starts.
    Row(
        "airflow_journal_max_use",
        EXAMPLES["airflow_journal_max_use"],
        output("journalctl -o cat -u systemd-journald | grep -oE 'max 2([.]0)?G' | sed s/[.]0// | tail -n 1"),
        "max 2G",
    ),
    Row(
        "airflow_webserver_config",
        str(DIRECTORY / "webserver_config.py"),
        lambda after: set(requests.get(f"{after.airflow.url}/auth/login/", timeout=20).cookies.keys()),
        {"lab_session"},
    ),
    Row(
        "airflow_group_names",
        {"workers": "celery"},
        refused(
            "airflow_group_names",
            "'nowhere', for workers, is not a group of the inventory",
            "'masters' is not a group of the collection",
        ),
        [],
    ),
    Row("airflow_parallelism", 24, environment("airflow-scheduler", "CORE__PARALLELISM"), "24"),
    Row(
        "airflow_max_active_tasks_per_dag",
        12,
        api("dags/lakehouse_smoke_test", "max_active_tasks"),
        12,
    ),
    Row(
        "airflow_ready_timeout",
        90,
        retries("airflow_ready_timeout", "Wait until Flower lists every worker"),
        ["2", "1"],
    ),
    # Written by the further run in which Flower refuses the password.
    Row(
        "airflow_report_file",
        str(DIRECTORY / "report.json"),
        each(reported("healthy"), failed_checks),
        [False, {"flower", "flower_lists_worker"}],
    ),
    Row(
        "airflow_host_address",
        ADDRESS,
        sql("SELECT DISTINCT address FROM pg_hba_file_rules WHERE type = 'host'"),
        [ADDRESS],
    ),
    Row(
        "airflow_base_url",
        "http://airflow.company.test/tools/airflow/",
        environment("airflow-worker", "API__BASE_URL"),
        "http://airflow.company.test/tools/airflow/",
    ),
    Row(
        "airflow_execution_api_url",
        f"http://{ADDRESS}:8081{PATH}/execution/",
        environment("airflow-worker", "CORE__EXECUTION_API_SERVER_URL"),
        f"http://{ADDRESS}:8081{PATH}/execution/",
    ),
    Row(
        "airflow_dags_source",
        str(DAGS),
        output("cd /opt/airflow/dags && echo *.py"),
        "broken.py variables.py",
    ),
    # One of the DAG files cannot be imported.
    Row(
        "airflow_dags_import_check",
        value=False,
        look=output("ls /opt/airflow/dags/broken.py"),
        found="/opt/airflow/dags/broken.py",
    ),
]

FIREWALL = [
    Row(
        "airflow_firewall_enabled",
        value=True,
        look=output("systemctl is-enabled airflow-firewall"),
        found="enabled",
    ),
    # The tests reach both from the first addresses of the network, and without the proxy.
    Row("airflow_firewall_ui_sources", ["198.18.3.0/25"], let_in(8081), "{ 198.18.3.0/25, 198.18.4.0/24 }"),
    Row(
        "airflow_firewall_flower_sources", ["198.18.3.0/26"], let_in(5556), "{ 198.18.3.0/26, 198.18.4.0/24 }"
    ),
    Row(
        "airflow_proxy_addresses",
        ["198.18.4.0/24"],
        output("systemctl cat airflow-api-server | grep -oE 'FORWARDED_ALLOW_IPS=.*|--proxy-headers'"),
        "--proxy-headers\nFORWARDED_ALLOW_IPS=198.18.4.0/24",
    ),
    Row("airflow_firewall_metrics_sources", ["198.18.3.0/27"], let_in(9187), "198.18.3.0/27"),
]

EXPORTERS = [
    Row(
        "airflow_exporters",
        ["node", "postgres", "valkey"],
        each(exported(9100, "airflow_broker_up"), exported(9187, "pg_up"), exported(9121, "redis_up")),
        ["1", "1", "1"],
    ),
]

# With TLS, the others would be other ones: the scenario `split` has it.
TLS = [
    Row(
        "airflow_tls_enabled", value=False, look=refused("airflow_tls", "must begin with https://"), found=[]
    ),
    Row("airflow_tls_ca_file", "", refused("airflow_tls", "airflow_api_ca_file is '/no/such/file'"), []),
    Row("airflow_tls_names", [], refused("airflow_tls", 'airflow_tls_names (["a b"]) must list'), []),
    *(
        Row(
            f"airflow_{name}_{kind}_file",
            path := f"/no/such/{name}.{kind}",
            refused(run, f"file '{path}'"),
            [],
        )
        for name, run in [
            ("tls", "certificate of a host"),
            *((server, f"{server} certificate") for server in SERVERS),
        ]
        for kind in ("certificate", "key")
    ),
    Row(
        "airflow_api_ca_file",
        str(CA_FILES["api"]),
        lambda after: after.host.check_output(
            "head -n 1 %s", environment("airflow-worker", "API__SSL_CA_FILE")(after)
        ),
        "# api",
    ),
]

CONNECTIONS = [
    Row("airflow_broker_host", ADDRESS, url("airflow-worker", "CELERY__BROKER_URL", "hostname"), ADDRESS),
    Row(
        "airflow_broker_port",
        6380,
        each(valkey_config("port"), url("airflow-worker", "CELERY__BROKER_URL", "port")),
        ["6380", 6380],
    ),
    Row(
        "airflow_broker_username",
        "lab-worker",
        url("airflow-worker", "CELERY__BROKER_URL", "username"),
        "lab-worker",
    ),
    Row("airflow_broker_password", password(), broker("PING"), "PONG"),
    Row(
        "airflow_broker_scheduler_username",
        "lab-sender",
        url("airflow-scheduler", "CELERY__BROKER_URL", "username"),
        "lab-sender",
    ),
    Row("airflow_broker_scheduler_password", password(), broker("PING", "scheduler_"), "PONG"),
    Row(
        "airflow_broker_monitor_username",
        "lab-observer",
        each(
            *(
                url(f"airflow-{name}", "CELERY__BROKER_URL", "username")
                for name in ("flower", "worker-monitor")
            )
        ),
        ["lab-observer"] * 2,
    ),
    Row("airflow_broker_monitor_password", password(), broker("PING", "monitor_"), "PONG"),
    # For a broker that exists already; the scenario `existing` has one.
    Row(
        "airflow_broker_tls",
        value=False,
        look=refused("airflow_broker_tls", "Leave airflow_broker_tls out"),
        found=[],
    ),
    Row("airflow_broker_ca_file", "", refused("airflow_broker_ca_file", "is '/no/such/file'"), []),
    Row(
        "airflow_database_host",
        ADDRESS,
        url("airflow-scheduler", "DATABASE__SQL_ALCHEMY_CONN", "hostname"),
        ADDRESS,
    ),
    Row(
        "airflow_database_port",
        5433,
        each(show("port"), url("airflow-scheduler", "DATABASE__SQL_ALCHEMY_CONN", "port")),
        [["5433"], 5433],
    ),
    Row(
        "airflow_database_name",
        "lab_metadata",
        sql("SELECT dag_id FROM dag_run LIMIT 1", "lab_metadata"),
        ["lakehouse_smoke_test"],
    ),
    Row(
        "airflow_database_username",
        "lab_owner",
        sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", "lab_metadata"),
        ["lab_owner"],
    ),
    Row(
        "airflow_database_login",
        "lab_owner_2",
        sql("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'lab_metadata'"),
        ["lab_owner_2"],
    ),
    Row("airflow_database_password", password(), database_login("database"), "lab_owner"),
    Row(
        "airflow_database_sslmode",
        "verify-ca",
        tls("airflow-scheduler", "DATABASE__SQL_ALCHEMY_CONN"),
        ["verify-ca", "# database"],
    ),
    Row(
        "airflow_database_ca_file",
        str(CA_FILES["database"]),
        tls("airflow-api-server", "DATABASE__SQL_ALCHEMY_CONN"),
        ["verify-ca", "# database"],
    ),
    # One server has both databases, so other values than those of airflow_database_* are refused.
    Row(
        "airflow_results_host",
        ADDRESS,
        each(
            url("airflow-worker", "CELERY__RESULT_BACKEND", "hostname"),
            refused("airflow_results", "airflow_results_host and airflow_results_port (elsewhere:"),
        ),
        [ADDRESS, []],
    ),
    Row(
        "airflow_results_port",
        5433,
        each(
            url("airflow-worker", "CELERY__RESULT_BACKEND", "port"),
            refused("airflow_results", "(elsewhere:5434) must equal"),
        ),
        [5433, []],
    ),
    Row(
        "airflow_results_name",
        "lab_results",
        sql("SELECT DISTINCT status FROM celery_taskmeta WHERE status = 'SUCCESS'", "lab_results"),
        ["SUCCESS"],
    ),
    Row(
        "airflow_results_username",
        "lab_results_owner",
        sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", "lab_results"),
        ["lab_results_owner"],
    ),
    Row(
        "airflow_results_login",
        "lab_results_owner_2",
        sql("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'lab_results'"),
        ["lab_results_owner_2"],
    ),
    Row("airflow_results_password", password(), database_login("results"), "lab_results_owner"),
    Row(
        "airflow_results_sslmode",
        "verify-ca",
        tls("airflow-scheduler", "CELERY__RESULT_BACKEND"),
        ["verify-ca", "# results"],
    ),
    Row(
        "airflow_results_ca_file",
        str(CA_FILES["results"]),
        tls("airflow-worker", "CELERY__RESULT_BACKEND"),
        ["verify-ca", "# results"],
    ),
]

API = [
    Row("airflow_api_port", 8081, listening(8081), {f"{ADDRESS}:8081"}),
    Row("airflow_api_server_bind_address", ADDRESS, listening(8081), {f"{ADDRESS}:8081"}),
    Row(
        "airflow_api_server_workers",
        workers := 2 if CPUS // 2 != 2 else 3,
        processes("^airflow-api-server.service .*spawn_main", workers),
        workers,
    ),
    Row("airflow_api_token_rate_limit", "2/hour", failed_logins, {401, 429}),
    Row("airflow_admin_username", "lab-admin", api("version", "version"), "3.3.2"),
    Row(
        "airflow_admin_email",
        "lab@example.org",
        sql("SELECT email FROM ab_user WHERE username = 'lab-admin'", "lab_metadata"),
        ["lab@example.org"],
    ),
    Row("airflow_admin_password", password(), api("version", "version"), "3.3.2"),
    Row(
        "airflow_fernet_key",
        key := base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        environment("airflow-scheduler", "CORE__FERNET_KEY"),
        f"{key},{OTHER_FERNET_KEY}",
    ),
    # The second step of a rotation of secrets that variables set.
    Row(
        "airflow_accepted_secrets",
        {"airflow_fernet_key": OTHER_FERNET_KEY, "airflow_broker_password": password()},
        accepted_broker_password,
        "PONG",
    ),
    Row(
        "airflow_rotate",
        ["airflow_jwt_secret"],
        refused(
            "airflow_rotate",
            "airflow_rotate (airflow_jwt_secret): rotated is what the secrets file holds",
        ),
        [],
    ),
    Row("airflow_rotate_timeout", 60, refused("airflow_rotate", "airflow_rotate_timeout is 0; set it"), []),
    Row(
        "airflow_backup_directory",
        str(DIRECTORY / "backups"),
        each(
            lambda _after: [path.name for path in (DIRECTORY / "backups").glob("*/manifest.json")],
            refused("airflow_restore", "(/no/such/backup) is no backup: it has no manifest.json"),
        ),
        [["manifest.json"], []],
    ),
    Row("airflow_backup_schedule", "*-*-* 03:04:05", backup_units("OnCalendar"), ["*-*-* 03:04:05"]),
    Row("airflow_backup_keep", 3, backup_units("ExecStart", 2), ["3", "3"]),
    Row(
        "airflow_backup_dump_directory",
        "/srv/airflow/dumps",
        backup_units("ExecStart", 1),
        ["/srv/airflow/dumps"] * 2,
    ),
    Row(
        "airflow_restore_overwrite",
        value=True,
        look=refused("airflow_restore_overwrite", "airflow_restore_overwrite", "unable to convert"),
        found=[],
    ),
    Row(
        "airflow_jwt_secret",
        key := secrets.token_urlsafe(64),
        each(
            *(environment(f"airflow-{unit}", "API_AUTH__JWT_SECRET") for unit in ("scheduler", "api-server"))
        ),
        [key, key],
    ),
    Row(
        "airflow_api_secret_key",
        key := secrets.token_urlsafe(64),
        each(*(environment(f"airflow-{unit}", "API__SECRET_KEY") for unit in ("worker", "api-server"))),
        [key, key],
    ),
    Row(
        "airflow_session_secret_key",
        key := secrets.token_urlsafe(64),
        environment("airflow-api-server", "LAKEHOUSE__SESSION_SECRET_KEY"),
        key,
    ),
    # With all eleven secrets given, nothing is generated.
    Row("airflow_secrets_file", str(SECRETS_FILE), generated_secrets, [False, ["airflow_jwt_secret"]]),
]

OBJECTS = [
    Row(
        "airflow_connections",
        [{"connection_id": "lab", "conn_type": "http", "host": "lab.example.org", "password": password()}],
        api("connections/lab", "host"),
        "lab.example.org",
    ),
    Row(
        "airflow_variables",
        [{"key": "lab", "value": {"a": [1]}}],
        api("variables/lab", "value"),
        '{"a": [1]}',
    ),
    Row("airflow_pools", [{"name": "lab", "slots": 3}], api("pools/lab", "slots"), 3),
    Row(
        "airflow_users",
        [
            {
                "username": "lab-user",
                "email": "user@example.org",
                "first_name": "Lab",
                "last_name": "User",
                "roles": [{"name": "Op"}],
                "password": password(),
            }
        ],
        user,
        [{"name": "Op"}],
    ),
    Row("airflow_objects_exclusive", ["variables"], unlisted_variable, ["lab"]),
]

FLOWER_AND_WORKER = [
    Row("airflow_flower_bind_address", ADDRESS, listening(5556), {f"{ADDRESS}:5556"}),
    Row("airflow_flower_port", 5556, listening(5556), {f"{ADDRESS}:5556"}),
    Row(
        "airflow_flower_base_url",
        "http://flower.company.test/flower",
        lambda after: after.flower.online(),
        WORKERS,
    ),
    Row("airflow_flower_username", "lab-flower", lambda after: after.flower.online(), WORKERS),
    Row("airflow_flower_password", password(), lambda after: after.flower.online(), WORKERS),
    Row(
        "airflow_smoke_test_timeout",
        200,
        retries("airflow_smoke_test_timeout", "Wait until the workers have run their tasks"),
        ["3", "2", "1"],
    ),
    Row(
        "airflow_worker_queues",
        ["heavy", "light"],
        lambda after: {queue["name"] for queue in after.worker["active_queues"]},
        {"heavy", "light", "host.single"},
    ),
    Row(
        "airflow_worker_concurrency",
        concurrency := 3 if CPUS != 3 else 2,
        lambda after: after.worker["stats"]["pool"]["max-concurrency"],
        concurrency,
    ),
    Row("airflow_worker_batch", 2, batches, 2),
    Row(
        "airflow_worker_instances",
        EXAMPLES["airflow_worker_instances"],
        lambda after: [
            after.flower.queues("single.gpu"),
            after.host.unit("airflow-worker@gpu")["MemoryMax"],
            after.host.unit("airflow-worker@long")["TimeoutStopUSec"],
        ],
        [{"gpu", "host.single.gpu"}, str(4 << 30), "1h"],
    ),
    Row(
        "airflow_limits",
        EXAMPLES["airflow_limits"],
        lambda after: [
            after.host.unit(unit)[name]
            for unit, name in (
                ("airflow-worker", "TasksMax"),
                ("airflow-worker", "LimitNOFILE"),
                ("airflow-dag-processor", "CPUQuotaPerSecUSec"),
                ("airflow-api-server", "MemoryMax"),
                ("airflow-api-server", "LimitNOFILE"),
            )
        ],
        ["4096", "65536", "1.500000s", str(2 << 30), "131072"],
    ),
    # That it keeps as many is tested by the upgrade.
    Row(
        "airflow_environments_keep",
        3,
        refused("airflow_environments_keep", "airflow_environments_keep (0) must be 1 or more"),
        [],
    ),
    Row(
        "airflow_rollback_confirm",
        value=False,
        look=refused("airflow_rollback", "Nothing was changed", "-e airflow_rollback_confirm=true"),
        found=[],
    ),
    Row(
        "airflow_remove_data",
        value=True,
        look=refused("airflow_uninstall", "logs and users would be removed"),
        found=[],
    ),
    Row(
        "airflow_uninstall_confirmed",
        value=False,
        look=refused("airflow_uninstall", "Nothing was removed", "-e airflow_uninstall_confirmed=true"),
        found=[],
    ),
    Row(
        "airflow_update_reboot",
        value=True,
        look=lambda after: "; reboot" in after.results["airflow_update"].text,
        found=True,
    ),
    Row("airflow_worker_drain_timeout", 700, refused("drain", "airflow_worker_drain_timeout of"), []),
    # That it keeps what it promises is tested with lab_credentials.
    Row(
        "airflow_worker_isolate_tasks",
        value=True,
        look=environment("airflow-worker", "LAKEHOUSE__ISOLATE_TASKS"),
        found="True",
    ),
    Row(
        "airflow_worker_unit_directives",
        {"PrivateDevices": False, "ReadOnlyPaths": ["/srv", "/mnt"]},
        lambda after: [
            after.host.unit("airflow-worker")[name] for name in ("PrivateDevices", "ReadOnlyPaths")
        ],
        ["no", "/srv /mnt"],
    ),
    Row(
        "airflow_worker_stop_timeout",
        300,
        lambda after: after.host.unit("airflow-worker")["TimeoutStopUSec"],
        "5min",
    ),
    Row(
        "airflow_worker_monitor_timeout",
        30,
        environment("airflow-worker-monitor", "WORKER_MONITOR__TIMEOUT"),
        "30",
    ),
]

HOST = [
    # What was written into the block by hand stays.
    Row("hosts_file_enabled", value=False, look=output(f"grep -xm1 {SENTINEL!r} /etc/hosts"), found=SENTINEL),
    Row(
        "preflight_min_memory_mb",
        1000,
        refused("preflight_min_memory_mb", "preflight_min_memory_mb requires 100000000"),
        [],
    ),
    Row(
        "preflight_min_disk_mb",
        1000,
        refused("preflight_min_disk_mb", "preflight_min_disk_mb requires 100000000"),
        [],
    ),
    Row(
        "preflight_max_clock_skew",
        60,
        refused("preflight_max_clock_skew", "preflight_max_clock_skew allows -100 s"),
        [],
    ),
]

POSTGRES = [
    Row("postgres_listen_addresses", [ADDRESS], listening(5433), {f"{ADDRESS}:5433"}),
    Row("postgres_max_connections", 200, show("max_connections"), ["200"]),
    Row("postgres_shared_buffers", "160MB", show("shared_buffers"), ["160MB"]),
    Row("postgres_effective_cache_size", "320MB", show("effective_cache_size"), ["320MB"]),
    Row("postgres_maintenance_work_mem", "48MB", show("maintenance_work_mem"), ["48MB"]),
    Row("postgres_work_mem", "6MB", show("work_mem"), ["6MB"]),
    Row("postgres_config", {"random_page_cost": 1.25}, show("random_page_cost"), ["1.25"]),
    Row(
        "pgbackrest_config",
        {"repo1-path": "/srv/pgbackrest", "repo1-retention-full": 3},
        each(
            output("grep ^repo1-retention-full= /etc/pgbackrest.conf"),
            # A base backup needs the WAL that the server archived while it was made.
            lambda after: (
                wait_for(
                    "first base backup",
                    lambda: after.host.check_output("runuser -u postgres -- pgbackrest --output=json info"),
                    lambda text: json.loads(text)[0]["status"]["code"] == 0,
                    timeout=120,
                )
                != ""
            ),
        ),
        ["repo1-retention-full=3", True],
    ),
    Row(
        "pgbackrest_schedule",
        {"full": "Sat 03:00", "diff": "Mon 04:00"},
        output("grep -h ^OnCalendar= /etc/systemd/system/pgbackrest@*.timer"),
        "OnCalendar=Mon 04:00\nOnCalendar=Sat 03:00",
    ),
    Row(
        "pgbackrest_restore_time",
        "2026-01-01 00:00:00+00",
        refused("pgbackrest_restore_time", "has no base backup that had ended at 2026-01-01 00:00:00+00"),
        [],
    ),
]

VALKEY = [
    Row("valkey_bind_addresses", [ADDRESS], listening(6380), {f"{ADDRESS}:6380"}),
    Row("valkey_user_rules", {"worker": ["+acl|whoami"]}, broker("ACL WHOAMI"), "lab-worker"),
    Row("valkey_maxmemory", "64mb", valkey_config("maxmemory"), str(64 << 20)),
    Row("valkey_save", [[900, 5]], valkey_config("save"), "900 5"),
    Row("valkey_append_only", value=False, look=valkey_config("appendonly"), found="no"),
    Row("valkey_append_fsync", "always", valkey_config("appendfsync"), "always"),
    Row("valkey_config", {"hz": 20}, valkey_config("hz"), "20"),
    Row(
        "valkey_backports_url",
        "http://deb.debian.org:80/debian",
        output("apt-cache policy valkey-server | grep -om1 'http://deb.debian.org:80.* bookworm-backports'"),
        "http://deb.debian.org:80/debian bookworm-backports",
    ),
]

TABLE = [
    *AIRFLOW,
    *FIREWALL,
    *EXPORTERS,
    *TLS,
    *CONNECTIONS,
    # Before the wrong passwords of API, for a user signs in.
    *OBJECTS,
    *API,
    *FLOWER_AND_WORKER,
    *HOST,
    *POSTGRES,
    *VALKEY,
]
VALUES = {row.name: row.value for row in TABLE}


def write_inventory(cluster: Cluster, name: str, variables: dict[str, Any]) -> Path:
    inventory = copy.deepcopy(cluster.content)
    inventory["vars"].update({**EXAMPLES, **variables})
    # The collection's name of a group is that of a group of others, whose host must not be touched.
    children = inventory["children"]
    children["celery"] = children["workers"]
    children["workers"] = {"hosts": {"unrelated": {"ansible_host": "192.0.2.1"}}}
    if name == "airflow_worker_batch":
        # Three names of the host, in the group that the play before fills otherwise.
        workers = {f"worker{number}": inventory["hosts"]["single"] for number in range(3)}
        inventory["children"]["airflow_workers_to_restart"] = {"hosts": workers}
    path = DIRECTORY / f"{name}.yml"
    path.write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def after(cluster: Cluster) -> After:
    """Run the product with an inventory that sets each variable, then the further runs."""
    host = cluster.host("single")
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DAGS.mkdir(parents=True)
    for name, text in DAG_FILES.items():
        (DAGS / name).write_text(text, encoding="utf-8")
    (DIRECTORY / "plugins").mkdir()
    (DIRECTORY / "plugins" / "company.py").write_text(PLUGIN, encoding="utf-8")
    (DIRECTORY / "airflow_local_settings.py").write_text(SETTINGS, encoding="utf-8")
    (DIRECTORY / "webserver_config.py").write_text("SESSION_COOKIE_NAME = 'lab_session'\n", encoding="utf-8")
    for name, text in EXAMPLE_FILES.items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
    for name, path in CA_FILES.items():
        path.write_text(f"# {name}\n{host.check_output('cat %s', CERTIFICATE)}\n", encoding="utf-8")
    host.check_output(PREPARATION, INDEX)
    inventory = write_inventory(cluster, "all", VALUES)
    run_site(inventory).assert_success()

    After(host, inventory, {}).airflow.call("POST", "variables", {"key": "unlisted", "value": "x"})
    # The further run of the smoke test finds no slot for its tasks.
    host.sql("lab_metadata", "UPDATE slot_pool SET slots = 0 WHERE pool = 'default_pool'")
    host.check_output("rm /etc/airflow/smoke-test.passed")

    def run(name: str) -> Result:
        path = write_inventory(cluster, name, {**VALUES, **RUNS[name].values})
        return run_playbook(path, RUNS[name].playbook, *RUNS[name].arguments)

    with ThreadPoolExecutor(3) as pool:
        results = dict(zip(RUNS, pool.map(run, RUNS), strict=True))
    host.sql("lab_metadata", "UPDATE slot_pool SET slots = 128 WHERE pool = 'default_pool'")
    return After(host, inventory, results)


def test_the_table_has_each_documented_variable() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", spec_docs.variables_page(ROLES), re.MULTILINE)
    assert sorted(row.name for row in TABLE) == sorted(documented)


def test_no_value_of_the_table_is_the_default() -> None:
    defaults = {
        name: option["default"]
        for role in ROLES.iterdir()
        for spec in spec_docs.documented_entry_points(role).values()
        for name, option in spec["options"].items()
        if name in VALUES
    }
    # Of these, other values are refused.
    unchanged = [
        "airflow_version",
        "airflow_tls_enabled",
        "airflow_tls_ca_file",
        "airflow_tls_names",
        "airflow_rollback_confirm",
        "airflow_uninstall_confirmed",
    ]
    assert [name for name, value in VALUES.items() if value == defaults[name]] == unchanged


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_variable_set_for_all_hosts_has_an_effect(after: After, row: Row) -> None:
    assert row.look(after) == row.found
