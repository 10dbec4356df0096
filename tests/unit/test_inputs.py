"""What has another shape than it must have is found, whatever its type."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from filter.passwords import ERRORS, secret_errors, undecryptable
from inputs import host, host_name, ip_address, loopback, plain_text, requirement, user_rule, whole_number
from lookup.secret import GENERATORS


@pytest.mark.parametrize("value", [0, 7, "7", 65535, "65535"])
def test_a_whole_number_in_the_range(value: Any) -> None:
    assert whole_number(value, 0, 65535)


@pytest.mark.parametrize(
    "value", [True, False, None, -1, 65536, "", "7\n", " 7", "07", "0x7", "7.0", 7.0, "\u0667", [7], "7 s"]
)
def test_not_a_whole_number_in_the_range(value: Any) -> None:
    assert not whole_number(value, 0, 65535)


@pytest.mark.parametrize("value", ["192.0.2.1", "2001:db8::1", "::"])
def test_an_address(value: str) -> None:
    assert ip_address(value)
    assert host(value)
    assert not host_name(value)


@pytest.mark.parametrize("value", ["a", "node-b.example.org", "db_1", "a.b.", "1a", "a1.2b"])
def test_a_host_name(value: str) -> None:
    assert host_name(value)
    assert host(value)
    assert not ip_address(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a\n",
        "-a",
        "a-",
        "a..b",
        ".a",
        "10.1",
        "0",
        "0x7f",
        "1.2.3",
        "a b",
        "a/8",
        "a:1",
        "a" * 64,
        "ä",
        1,
        None,
        ["a"],
    ],
)
def test_no_host(value: Any) -> None:
    assert not host(value)


@pytest.mark.parametrize(
    "value",
    [
        *("localhost", "127.0.0.1", "127.1.2.3", "::1", "0:0:0:0:0:0:0:1"),
        *("*", "0.0.0.0", "::"),  # noqa: S104 - not listened on
    ],
)
def test_what_listens_on_the_loopback_interface(value: str) -> None:
    assert loopback(value)


@pytest.mark.parametrize(
    "value",
    ["192.0.2.127", "::2", "2001:db8::1", "localhost.example.org", "127.example.org", "", 127, None, ["*"]],
)
def test_what_does_not_listen_on_the_loopback_interface(value: Any) -> None:
    assert not loopback(value)


@pytest.mark.parametrize("value", ["", "a\n", "a\tb", "\x7f", 1, True, None, ["a"]])
def test_no_plain_text(value: Any) -> None:
    assert not plain_text(value)


@pytest.mark.parametrize(
    "value",
    ["cowsay", "cowsay==6.1", "a[b,c]>=1,<2", "a @ https://example.org/a.whl", "a; python_version > '3'"],
)
def test_a_requirement(value: str) -> None:
    assert requirement(value)


@pytest.mark.parametrize(
    "value",
    ["", "-r x", "--pre", "a --pre", "a\n", " a", "./a", "a.whl@", "a # b", "a==1 --hash=sha256:0", 1, None],
)
def test_no_requirement(value: Any) -> None:
    assert not requirement(value)


def test_generated_secrets_have_no_errors() -> None:
    assert {*ERRORS} == {*GENERATORS}
    made = [{name: make() for name, make in GENERATORS.items()} for number in range(20)]
    assert [error for secrets in made for error in secret_errors(secrets)] == []


def test_errors_do_not_show_the_secret() -> None:
    for name in ERRORS:
        for secret in ("hidden", "hidden\n" * 9, "hidden,$HOME" * 9, b"hidden", ["hidden"]):
            assert "hidden" not in " ".join(secret_errors({name: secret})), name


def test_what_the_keys_do_not_decrypt_is_found() -> None:
    old, new, other = Fernet.generate_key(), Fernet.generate_key(), Fernet.generate_key()
    values = [Fernet(key).encrypt(b"a password").decode() for key in (old, new, other)]
    assert undecryptable(values, f"{new.decode()},{old.decode()}") == values[2:]
    assert undecryptable(["not encrypted"], new.decode()) == ["not encrypted"]
    assert undecryptable([], new.decode()) == []


@pytest.mark.parametrize("rule", ["+info", "~queue:*", "&/0.celeryev/*", "(~* +llen)", "resetkeys", "-@all"])
def test_a_rule_of_a_user(rule: str) -> None:
    assert user_rule(rule)


@pytest.mark.parametrize(
    "rule",
    [
        ">secret",
        "<secret",
        "#0a",
        "!0a",
        "+info >secret",
        "reset",
        "RESET +info",
        "nopass",
        "+a\n+b",
        '"',
        "'",
    ],
)
def test_a_rule_that_is_refused(rule: str) -> None:
    assert not user_rule(rule)
