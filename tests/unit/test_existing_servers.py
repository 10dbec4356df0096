"""What a server that exists already answers decides whether it can be used; each refusal names the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from filter.existing_servers import broker_problems, broker_risks, database_problems


def database(**given: Any) -> dict[str, Any]:
    good = {
        "version": 140005,
        "encoding": "UTF8",
        "standby": False,
        "may_create": True,
        "tables": [],
        "other_owners": [],
    }
    return {"query_result": [good | given]}


def broker(error: str = "", refused: tuple[str, ...] = (), **info: Any) -> dict[str, Any]:
    good = {
        "redis_version": "7.2.4",
        "redis_mode": "standalone",
        "role": "master",
        "aof_enabled": 1,
        "maxmemory_policy": "noeviction",
    }
    return {"error": error, "refused": list(refused), "info": good | info}


def problems(answer: dict[str, Any]) -> str:
    return " ".join(database_problems(answer, "airflow_database", "dag_run"))


def test_an_empty_database_and_one_in_use_pass() -> None:
    assert problems(database()) == ""
    assert problems(database(tables=["alembic_version", "dag_run"])) == ""


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("connection to server failed: Connection refused", "airflow_database_host, airflow_database_port,"),
        (
            'FATAL:  password authentication failed for user "u"',
            "airflow_database_username, airflow_database_password",
        ),
        ('FATAL:  database "x" does not exist', "Correct airflow_database_name,"),
        ("SSL error: certificate verify failed", "airflow_database_sslmode, airflow_database_ca_file"),
        ('no pg_hba.conf entry for host "1.2.3.4", no encryption', "airflow_database_sslmode"),
        ("server does not support SSL, but SSL was required", "airflow_database_sslmode"),
    ],
)
def test_a_failed_connection_names_the_variables_to_correct(error: str, remedy: str) -> None:
    text = problems({"msg": f"unable to connect to database: {error}\n", "failed": False})
    assert error.rsplit(maxsplit=1)[-1] in text
    assert remedy in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"version": 130010}, "PostgreSQL 13; Airflow needs 14"),
        ({"standby": True}, "Set airflow_database_host to the primary"),
        ({"encoding": "LATIN1"}, "encoding is LATIN1"),
        ({"may_create": False}, "airflow_database_username may not create tables"),
        ({"tables": ["invoices"]}, "other tables, for example invoices. Set airflow_database_name"),
        ({"tables": ["dag_run"], "other_owners": ["bob"]}, "belong to bob. Set airflow_database_username"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_with_a_remedy(given: dict[str, Any], words: str) -> None:
    assert words in problems(database(**given))


def test_a_broker_as_it_should_be_passes() -> None:
    assert broker_problems(broker()) == []
    assert broker_risks(broker()) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            broker("Error 111 connecting. Connection refused."),
            "Correct airflow_broker_host, airflow_broker_port,",
        ),
        (broker("invalid username-password pair or user is disabled."), "airflow_broker_password"),
        (broker("Authentication required."), "airflow_broker_password"),
        (broker("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "airflow_broker_ca_file"),
        (broker("Connection closed by server."), "airflow_broker_tls"),
        (broker(redis_version="5.0.7"), "Redis 5.0.7"),
        (broker(redis_mode="cluster"), "cluster mode"),
        (broker(role="slave"), "replica"),
        (broker(maxmemory_policy="allkeys-lru"), "allkeys-lru drops messages"),
        (broker(refused=("BRPOP (no permissions)",)), "airflow_broker_username may not run BRPOP"),
    ],
)
def test_a_broker_that_cannot_be_used_is_refused_with_a_remedy(answer: dict[str, Any], words: str) -> None:
    assert words in " ".join(broker_problems(answer))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (broker(aof_enabled=0), "append-only"),
        (broker(maxmemory_policy="volatile-lru"), "volatile-lru"),
        ({"error": "", "refused": [], "info": None}, "may not run INFO"),
    ],
)
def test_risks_are_named(answer: dict[str, Any], words: str) -> None:
    assert broker_problems(answer) == []
    assert words in " ".join(broker_risks(answer))
