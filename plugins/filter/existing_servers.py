# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: whether servers that exist already can be used, from what they answered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# What Airflow 3.3 supports, and the first version of Redis with users.
POSTGRES_VERSION = 14
REDIS_VERSION = 6
# How the message of a failed connection names its cause, and the endings of the variables to correct.
DATABASE_CAUSES = (
    (r"certificate|\bSSL\b|encryption|root cert", ("host", "sslmode", "ca_file")),
    (r"database .* does not exist|permission denied for database", ("name",)),
    (r"password|authentication|role .* does not exist", ("username", "password")),
    ("", ("host", "port")),
)
BROKER_CAUSES = (
    (r"certificate|\bSSL\b|[Cc]onnection closed|reset by peer", ("host", "port", "tls", "ca_file")),
    (r"password|[Aa]uthentication", ("username", "password")),
    ("", ("host", "port")),
)


def correction(error: str, variables: str, causes: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    """Return which variables to correct after a failed connection.

    :param variables: how the names of the variables start
    :param causes: regular expressions and endings of names, the first that matches counts
    """
    endings = next(endings for pattern, endings in causes if re.search(pattern, error))
    return f"Correct {', '.join(f'{variables}_{ending}' for ending in endings)}, or the server."


def database_problems(answer: Mapping[str, Any], variables: str, known_table: str) -> list[str]:
    """Return why a database cannot be used, a sentence and a remedy each.

    :param answer: the result of the module ``postgresql_query``
    :param variables: how the names of the variables of this database start
    :param known_table: the table by which a database that is in use already is known
    """
    if not answer.get("query_result"):
        error = " ".join(str(answer.get("msg") or "no answer").split())
        return [f"{error.rstrip('.')}. {correction(error, variables, DATABASE_CAUSES)}"]
    found, problems = answer["query_result"][0], []
    if found["version"] < POSTGRES_VERSION * 10000:
        problems.append(
            f"It is PostgreSQL {found['version'] // 10000}; Airflow needs {POSTGRES_VERSION} or newer."
            f" Upgrade the server, or set {variables}_host to another."
        )
    if found["standby"]:
        problems.append(f"It is a read-only standby. Set {variables}_host to the primary server.")
    if found["encoding"] != "UTF8":
        problems.append(
            f"Its encoding is {found['encoding']}. Create the database with ENCODING 'UTF8',"
            f" and set {variables}_name to it."
        )
    if not found["may_create"]:
        problems.append(
            f"{variables}_username may not create tables in it. Make it the owner of the database,"
            " or GRANT CREATE, USAGE on the schema to it."
        )
    if found["tables"] and known_table not in found["tables"]:
        problems.append(
            f"It holds other tables, for example {', '.join(found['tables'][:3])}. Set {variables}_name"
            " to a database of its own."
        )
    elif found["other_owners"]:
        problems.append(
            f"Its tables belong to {', '.join(found['other_owners'])}. Set {variables}_username to that user,"
            " or change the owner of the tables."
        )
    return problems


def broker_problems(answer: Mapping[str, Any]) -> list[str]:
    """Return why a broker cannot be used, a sentence and a remedy each.

    :param answer: what ``query_broker.py`` printed
    """
    if answer["error"]:
        error = answer["error"]
        return [f"{error.rstrip('.')}. {correction(error, 'airflow_broker', BROKER_CAUSES)}"]
    info, problems = answer["info"] or {}, []
    version = str(info.get("redis_version", REDIS_VERSION))
    if int(version.split(".", maxsplit=1)[0]) < REDIS_VERSION:
        problems.append(
            f"It is Redis {version}; Redis {REDIS_VERSION} or newer, or Valkey, is needed."
            " Set airflow_broker_host to another server."
        )
    if info.get("redis_mode") == "cluster":
        problems.append(
            "It runs in cluster mode, which Celery does not know. Set airflow_broker_host to another server."
        )
    if info.get("role", "master") != "master":
        problems.append("It is a read-only replica. Set airflow_broker_host to the primary server.")
    if str(info.get("maxmemory_policy")).startswith("allkeys"):
        problems.append(
            f"Its maxmemory-policy {info['maxmemory_policy']} drops messages when memory runs out."
            " Set it to noeviction on the server."
        )
    if answer["refused"]:
        problems.append(
            f"airflow_broker_username may not run {', '.join(answer['refused'])}. Allow it on the server;"
            " docs/existing-servers.md has the rules."
        )
    return problems


def broker_risks(answer: Mapping[str, Any]) -> list[str]:
    """Return what to know of a broker that can be used.

    :param answer: what ``query_broker.py`` printed
    """
    info = answer["info"]
    if info is None:
        return ["its version, persistence and maxmemory-policy are not known, for its user may not run INFO."]
    risks = []
    if not info.get("aof_enabled"):
        risks.append("without an append-only file, messages are lost when the server fails.")
    if str(info.get("maxmemory_policy")).startswith("volatile"):
        risks.append(f"its maxmemory-policy is {info['maxmemory_policy']}; noeviction is safer.")
    return risks


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {
            "broker_problems": broker_problems,
            "broker_risks": broker_risks,
            "database_problems": database_problems,
        }
