"""A URL holds any password, as the clients read it."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from filter.urls import connection_url, libpq_tls, probe_address


@pytest.mark.parametrize("password", ["plain", "a/b@c:d?e#f%g h", "ünï", "'\"$`\\"])
def test_a_password_survives(password: str) -> None:
    url = connection_url(
        "redis", {"host": "valkey", "port": 6379, "username": "airflow", "password": password, "name": 0}
    )
    parts = urlsplit(url)
    assert (parts.scheme, parts.hostname, parts.port, parts.path) == ("redis", "valkey", 6379, "/0")
    assert unquote(parts.password or "") == password


def test_an_ipv6_address_is_bracketed() -> None:
    connection = {"host": "2001:db8::1", "port": 5432, "username": "u", "password": "p", "name": "d"}
    assert connection_url("db+postgresql", connection) == "db+postgresql://u:p@[2001:db8::1]:5432/d"


def test_parameters_survive_and_empty_ones_are_left_out() -> None:
    connection = {"host": "db", "port": 5432, "username": "u", "password": "p", "name": "d"}
    query = {"sslmode": "verify-full", "sslrootcert": "/a b/c&d=e.pem", "empty": ""}
    url = connection_url("postgresql", {**connection, "query": query})
    assert parse_qs(urlsplit(url).query) == {"sslmode": ["verify-full"], "sslrootcert": ["/a b/c&d=e.pem"]}
    assert connection_url("postgresql", {**connection, "query": {}}).endswith("/d")


def test_the_default_of_libpq_is_left_out() -> None:
    assert libpq_tls("prefer", "") == {}
    assert libpq_tls("require", "") == {"sslmode": "require"}
    assert libpq_tls("verify-ca", "/ca.pem") == {"sslmode": "verify-ca", "sslrootcert": "/ca.pem"}


@pytest.mark.parametrize(
    ("bind_address", "expected"),
    [
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104
        ("::", "[::1]"),
        ("192.0.2.10", "192.0.2.10"),
        ("2001:db8::1", "[2001:db8::1]"),
    ],
)
def test_a_server_is_probed_where_it_listens(bind_address: str, expected: str) -> None:
    assert probe_address(bind_address) == expected
