"""Between all hosts of the cluster there is TLS alone, with certificates that are renewed in time."""

from __future__ import annotations

import hmac
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from testlib import assert_survived, run_playbook, run_site, wait_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Airflow, Cluster, Host

# With the settings of a worker, and a connection that is not encrypted.
PLAIN = """
import os, psycopg2
url = os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+")
try:
    psycopg2.connect(url, sslmode="disable").close()
except psycopg2.OperationalError as error:
    print("refused:", error)
"""
# The name by which its clients know each server, and its port.
SERVERS = {
    "valkey": ("valkey", 6379),
    "postgres": ("postgres", 5432),
    "webservers": ("airflow-api", 8080),
    "flower": ("flower1", 5555),
}
# Prints the certificate of a server after checking it as strictly as any client.
ASK = """
import socket, ssl, sys
address, port, name, authority = sys.argv[1:]
context = ssl.create_default_context(cadata=authority)
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection((address, int(port)), timeout=10) as plain:
    if port == "5432":
        # PostgreSQL's request for TLS.
        plain.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
        assert plain.recv(1) == b"S"
    with context.wrap_socket(plain, server_hostname=name) as connection:
        print(connection.getpeercert(binary_form=True).hex())
"""


def certificate(host: Host, group: str, authority: Path) -> str:
    """Return the certificate of a server, which must be valid for the name that its clients use.

    It is asked for on its own host: the firewall admits few others.
    """
    name, port = SERVERS[group]
    trusted = authority.read_text(encoding="utf-8")
    return host.check_output("python3 -c %s %s %s %s %s", ASK, host.address, str(port), name, trusted)


def certificates(cluster: Cluster, **authorities: Path) -> dict[tuple[str, str], str]:
    """Return the certificates of all servers, by the authority of the cluster or that of their group."""
    return {
        (group, host.name): certificate(host, group, authorities.get(group, cluster.certificates / "ca.pem"))
        for group in SERVERS
        for host in cluster.hosts(group)
    }


def invocations(cluster: Cluster) -> dict[tuple[str, str], str]:
    return {(host.name, unit): host.unit(unit)["InvocationID"] for host, unit in cluster.units()}


def test_every_server_has_a_certificate_for_the_name_that_its_clients_use(cluster: Cluster) -> None:
    found = certificates(cluster)
    assert len({*found.values()}) == len(found) == 5


def test_the_broker_is_reached_with_tls_alone(cluster: Cluster) -> None:
    """From a host that its firewall lets in."""
    server = cluster.one("valkey")
    assert server.check_output("valkey-admin CONFIG GET port").split() == ["port", "0"]
    plain = "import redis, sys; redis.Redis(host=sys.argv[1], protocol=2, socket_timeout=5).ping()"
    refused = cluster.one("flower").run("/opt/airflow/current/bin/python -c %s %s", plain, server.address)
    assert refused.rc != 0
    assert "ConnectionError" in refused.stderr


def test_a_client_of_the_database_without_tls_is_refused(cluster: Cluster) -> None:
    command = "systemd-run --quiet --collect --wait --pipe --property=EnvironmentFile=%s %s -c %s"
    python = "/opt/airflow/current/bin/python"
    for host in cluster.hosts("workers"):
        output = host.check_output(command, "/etc/airflow/worker.env", python, PLAIN)
        assert re.search("refused: .*no encryption", output, re.DOTALL), host


def test_every_connection_to_the_databases_is_encrypted(cluster: Cluster, airflow: Airflow) -> None:
    airflow.wait_healthy()
    query = (
        "SELECT DISTINCT datname, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
        " WHERE client_addr IS NOT NULL ORDER BY 1"
    )
    assert cluster.one("postgres").sql("postgres", query) == ["airflow|t", "airflow_results|t"]


@pytest.mark.parametrize(("group", "port"), [("webservers", 8080), ("flower", 5555)])
def test_browsers_reach_https_alone_and_come_back_to_it(cluster: Cluster, group: str, port: int) -> None:
    for host in cluster.hosts(group):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{host.address}:{port}/", timeout=20)
        answer = requests.get(cluster.url(host, port), timeout=20)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_cookies_go_nowhere_without_tls(cluster: Cluster, airflow: Airflow) -> None:
    """The session of the login page, and the token of whom the server remembers."""
    key, user = cluster.secrets["airflow_session_secret_key"], "1"
    remembered = {"remember_token": f"{user}|{hmac.new(key.encode(), user.encode(), 'sha512').hexdigest()}"}
    found: dict[str, bool] = {}
    for cookies in ({}, remembered):
        url = f"{airflow.url}/auth/login/"
        answer = requests.get(url, cookies=cookies, allow_redirects=False, timeout=20)
        found |= {cookie.name: cookie.secure for cookie in answer.cookies}
    assert {"session", "_token"} <= found.keys()
    assert all(found.values()), found


def test_the_airflow_command_speaks_it_too(cluster: Cluster) -> None:
    for host in cluster.hosts("schedulers"):
        host.check_output("airflow db check")
        workers = host.check_output("airflow celery list-workers")
        assert all(worker.name in workers for worker in cluster.hosts("workers"))


def expire(cluster: Cluster) -> None:
    """Let the certificates of all servers be near their end, to the eyes of the next run."""
    for path in cluster.certificates.glob("*.pem"):
        if path != cluster.authority:
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub("(# Renewed after: )20..", r"\g<1>2020", text), encoding="utf-8")


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a certificate that is given for Flower, and has signed itself."""
    files = {f"airflow_flower_{name}_file": str(tmp_path / name) for name in ("key", "certificate")}
    key, made = files.values()
    extensions = [
        "-addext",
        "subjectAltName=DNS:flower1",
        "-addext",
        "keyUsage=critical,keyCertSign,digitalSignature",
    ]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=company"]
    subprocess.run([*command, *extensions, "-keyout", key, "-out", made], check=True, capture_output=True)
    return files


def test_certificates_are_changed_while_tasks_run(
    cluster: Cluster, airflow: Airflow, given: dict[str, str]
) -> None:
    """Servers that can take them while they run go on, the others are restarted, and no task is lost.

    Flower, whose clients are people alone, gets one that is given.
    """
    served, before = certificates(cluster), invocations(cluster)
    expire(cluster)
    run = airflow.trigger("lab_six", seconds=[60] * 2 + [1] * 4)
    wait_running(cluster, run, 2)
    arguments = (f"--extra-vars={json.dumps(given)}", "--skip-tags=validate,smoke_test")
    done = run_site(cluster.inventory, *arguments).assert_success()
    company = Path(given["airflow_flower_certificate_file"])
    renewed, after = certificates(cluster, flower=company), invocations(cluster)
    assert [server for server in served if served[server] == renewed[server]] == []
    restarted = {key for key in before if before[key] != after[key]}
    assert restarted == {
        ("scheduler1", "airflow-api-server"),
        ("webserver1", "airflow-api-server"),
        ("flower1", "airflow-flower"),
    }
    assert {host for host, number in done.changed.items() if number} == {
        *("postgres1", "valkey1", "scheduler1", "webserver1", "flower1")
    }
    run.wait()
    assert_survived(cluster, run)


@pytest.fixture
def _lost_directory(cluster: Cluster) -> Iterator[None]:
    """Move the directory with the authority away."""
    aside = cluster.certificates.with_name("aside")
    cluster.certificates.rename(aside)
    yield
    shutil.rmtree(cluster.certificates, ignore_errors=True)
    aside.rename(cluster.certificates)


@pytest.mark.usefixtures("_lost_directory")
def test_no_other_authority_is_made_for_the_cluster(cluster: Cluster) -> None:
    result = run_playbook(cluster.inventory, "verify")
    assert result.returncode != 0
    assert "trust the certificate authority of a cluster, and this run does not know it" in result.text
    assert not cluster.certificates.exists()
