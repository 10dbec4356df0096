"""Values as Valkey reads them, by the rules of its own parser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from filter.valkey import valkey_address, valkey_quote


def valkey_unquote(text: str) -> str:
    """Read one double-quoted argument as Valkey's ``sdssplitargs`` does."""
    assert text.startswith('"')
    assert text.endswith('"')
    assert not re.search(r'(?<!\\)(\\\\)*"', text[1:-1]), "the argument ends too early"
    named = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
    return re.sub(
        r"\\(?:x([0-9a-fA-F]{2})|(.))",
        lambda match: chr(int(match[1], 16)) if match[1] else named.get(match[2], match[2]),
        text[1:-1],
    )


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "with space",
        'quo"te',
        "back\\slash",
        '\\"',
        "tail\\",
        "it's",
        "#hash",
        "two\nlines",
        "\0\x7f",
        "né",
        "\\x41",
    ],
)
def test_a_value_survives_quoting(text: str) -> None:
    quoted = valkey_quote(text)
    assert valkey_unquote(quoted) == text
    assert len(quoted.splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "quoted"), [(True, '"yes"'), (False, '"no"'), (60, '"60"'), (1.5, '"1.5"')]
)
def test_values_other_than_strings(value: Any, quoted: str) -> None:
    assert valkey_quote(value) == quoted


@pytest.mark.parametrize(
    ("bound", "address"),
    [
        ("*", "127.0.0.1"),
        ("-0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("-::*", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("-192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
    ],
)
def test_a_host_reaches_its_own_server_at_the_address_it_listens_on(bound: str, address: str) -> None:
    assert valkey_address(bound) == address
