"""A URL holds any password, as the clients read it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from filter.connection_url import connection_url


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
