"""Secrets stay where they belong."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from testlib import Lab

# What each place holds, as text.
PLACES = {
    "unit files": "cat /etc/systemd/system/*.service /etc/systemd/system/*/*.conf",
    "loaded units": "systemctl show '*.service'",
    "arguments of processes": "ps -e -ww -o args",
    "the journal": "journalctl --no-pager --output=json --all",
    "log files": "find /var/log -path /var/log/journal -prune -o -type f -exec cat {} +",
    "files that anyone may read": "find /etc /opt/airflow/share -type f -perm /004 -exec cat {} +",
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_shows_in(lab: Lab, place: str) -> None:
    needles = {name: {value, quote(value, safe="")} for name, value in lab.secrets.items()}
    for host in lab.hosts():
        text = str(host.run(f"{{ {PLACES[place]}; }} 2>/dev/null | tr -cd '[:print:]\\n'").stdout)
        assert place == "unit files" or len(text) > 100
        found = [name for name, values in needles.items() if any(value in text for value in values)]
        assert not found, f"{place} of {host}"


def test_the_file_of_secrets_is_private(lab: Lab) -> None:
    assert stat.S_IMODE(lab.secrets_file.stat().st_mode) == 0o600


def test_settings_are_readable_by_root_only(lab: Lab) -> None:
    for host in lab.hosts():
        found = host.check_output(
            "find /etc/airflow -name '*.env' -printf '%m %U %G\\n' 2>/dev/null || true"
        ).split("\n")
        assert set(found) <= {"600 0 0", ""}, host
    for host in lab.hosts("workers"):
        assert host.check_output("ls /etc/airflow/worker.env")
