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
    for host in cluster.hosts():
        text = str(host.run(f"{{ {PLACES[place]}; }} 2>/dev/null | tr -cd '[:print:]\\n'").stdout)
        assert place == "unit files" or len(text) > 100
        found = [name for name, forms in secrets.items() if any(form in text for form in forms)]
        assert not found, f"{place} of {host}"


def test_the_secrets_file_is_private(cluster: Cluster) -> None:
    assert stat.S_IMODE(cluster.secrets_file.stat().st_mode) == 0o600


def test_only_root_can_read_environment_files(cluster: Cluster) -> None:
    for host in cluster.hosts():
        found = host.check_output(
            "find /etc/airflow -name '*.env' -printf '%m %U %G\\n' 2>/dev/null || true"
        ).split("\n")
        assert set(found) <= {"600 0 0", ""}, host
    for host in cluster.hosts("workers"):
        assert host.file("/etc/airflow/worker.env").exists
