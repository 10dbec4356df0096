# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: the secrets of a cluster, from what its hosts have of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

# A line that grep has found: the file, the name of a variable and its value, as systemd reads it.
LINE = re.compile(r'^/etc/airflow/(?P<file>[\w-]+)[.]env:(?P<name>\w+)="(?P<value>.*)"\s*$')
ESCAPED = re.compile(r"\\(.)")
SECOND_LOGIN = "_2"


def _value(text: str) -> str:
    return text


def _first(text: str) -> str:
    """Of several Fernet keys the first one encrypts."""
    return text.split(",", maxsplit=1)[0]


def _url_password(text: str) -> str:
    return unquote(urlsplit(text).password or "")


def _login_password(text: str) -> str:
    return text.partition(":")[2]


# Which variable of which service's environment file has a secret.
SOURCES: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "airflow_fernet_key": ("scheduler", "AIRFLOW__CORE__FERNET_KEY", _first),
    "airflow_jwt_secret": ("scheduler", "AIRFLOW__API_AUTH__JWT_SECRET", _value),
    "airflow_api_secret_key": ("api-server", "AIRFLOW__API__SECRET_KEY", _value),
    "airflow_session_secret_key": ("api-server", "AIRFLOW__LAKEHOUSE__SESSION_SECRET_KEY", _value),
    "airflow_database_password": ("scheduler", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", _url_password),
    "airflow_results_password": ("scheduler", "AIRFLOW__CELERY__RESULT_BACKEND", _url_password),
    "airflow_broker_password": ("worker", "AIRFLOW__CELERY__BROKER_URL", _url_password),
    "airflow_broker_scheduler_password": ("scheduler", "AIRFLOW__CELERY__BROKER_URL", _url_password),
    "airflow_broker_monitor_password": ("flower", "AIRFLOW__CELERY__BROKER_URL", _url_password),
    "airflow_flower_password": ("flower", "AIRFLOW__CELERY__FLOWER_BASIC_AUTH", _login_password),
}
LOGINS = ("airflow_database_password", "airflow_results_password")


def recovered_secrets(found: Mapping[str, str]) -> dict[str, Any]:
    """Return ``secrets`` and ``problems``.

    :param found: by host, the lines of its environment files that hold secrets, each after its file and ':'
    :returns: ``secrets`` as the secrets file has them, and in ``problems`` a sentence for each that is not on
        the hosts, or is not the same on all of them
    """
    values: dict[tuple[str, str], dict[str, list[str]]] = {}
    for host, text in found.items():
        for match in filter(None, map(LINE.match, text.splitlines())):
            value = ESCAPED.sub(r"\1", match["value"])
            values.setdefault((match["file"], match["name"]), {}).setdefault(value, []).append(host)
    secrets: dict[str, str] = {}
    problems = []
    for name, (file, variable, read) in SOURCES.items():
        candidates = values.get((file, variable), {})
        if len(candidates) > 1:
            hosts = " and ".join(", ".join(names) for names in candidates.values())
            problems.append(f"{name} is not the same on {hosts}")
        elif not candidates or not (secret := read(next(iter(candidates)))):
            problems.append(f"{name} is in /etc/airflow/{file}.env of no host that answered")
        else:
            secrets[name] = secret
            if name in LOGINS and (urlsplit(next(iter(candidates))).username or "").endswith(SECOND_LOGIN):
                secrets[f"{name}_login"] = SECOND_LOGIN
    return {"secrets": secrets, "problems": problems}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"recovered_secrets": recovered_secrets}
