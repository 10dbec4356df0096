"""No secret can be read where it does not belong."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from testlib import Cluster

# The command that prints what each place holds.
PLACES = {
    "unit files": "cat /etc/systemd/system/*.service /etc/systemd/system/*/*.conf",
    "loaded units": "systemctl show '*.service'",
    "arguments of processes": "ps -e -ww -o args",
    "the journal": "journalctl --no-pager --output=json --all",
    "log files": "find /var/log -path /var/log/journal -prune -o -type f -exec cat {} +",
    "files that anyone may read": (
        "find /etc /opt/airflow -name site-packages -prune -o -type f -size -1000k -perm /004 -exec cat {} +"
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_in(cluster: Cluster, place: str) -> None:
    secrets = {name: {value, quote(value, safe="")} for name, value in cluster.secrets.items()}
    # A line of each private key; the one before begins as those of all keys do.
    for path in cluster.certificates.glob("*"):
        _before, begin, key = path.read_text(encoding="utf-8").partition("PRIVATE KEY-----\n")
        secrets |= {path.name: {key.splitlines()[1]}} if begin else {}
    for host in cluster.hosts():
        text = str(host.run(f"{{ {PLACES[place]}; }} 2>/dev/null | tr -cd '[:print:]\\n'").stdout)
        assert place == "unit files" or len(text) > 100
        found = [name for name, forms in secrets.items() if any(form in text for form in forms)]
        assert not found, f"{place} of {host}"


def test_the_secrets_file_is_private(cluster: Cluster) -> None:
    assert stat.S_IMODE(cluster.secrets_file.stat().st_mode) == 0o600


def test_only_a_service_and_root_can_read_its_private_key(cluster: Cluster) -> None:
    readers = {
        "/etc/airflow/api-server.pem": "airflow-api-server",
        "/etc/airflow/flower.pem": "airflow-flower",
        "/etc/valkey/lakehouse.pem": "valkey",
        "/etc/postgresql/17/main/lakehouse.pem": "postgres",
    }
    places = "/etc/airflow /etc/valkey /etc/postgresql"
    # Connections with a key are in environment files, which are root's alone.
    find = (
        f"find {places} -type f ! -name '*.env' -exec grep -lF 'PRIVATE KEY-----' {{}} + 2>/dev/null || true"
    )
    found = set()
    for host in cluster.hosts():
        for path in host.check_output(find).splitlines():
            found.add(path)
            assert host.check_output("stat --format='%%a %%U %%G' %s", path) == f"640 root {readers[path]}", (
                host
            )
            # Nobody else is in the group.
            assert host.check_output("getent group %s | cut -d: -f4", readers[path]) == "", host
    assert found == ({*readers} if cluster.authority else set())


def test_only_root_can_read_environment_files(cluster: Cluster) -> None:
    for host in cluster.hosts():
        found = host.check_output(
            "find /etc/airflow -name '*.env' -printf '%m %U %G\\n' 2>/dev/null || true"
        ).split("\n")
        assert set(found) <= {"600 0 0", ""}, host
    for host in cluster.hosts("workers"):
        assert host.file("/etc/airflow/worker.env").exists
