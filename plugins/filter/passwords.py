# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: secrets that are weak, or that would not arrive as they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

PASSWORD_LENGTH = 8
KEY_LENGTH = 32
# Fewer make no secret of any length.
CHARACTERS = 5
# Several, the first of which encrypts, are separated by commas.
FERNET_KEYS = re.compile(r"[A-Za-z0-9_-]{43}=(,[A-Za-z0-9_-]{43}=)*")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What Airflow replaces in an option: environment variables, and a home directory at its beginning.
EXPANDED = re.compile(r"\$[A-Za-z0-9_{]|^~")


def text_errors(secret: str, length: int) -> Iterator[str]:
    """Return what is wrong with the length and the characters of a secret."""
    if len(secret) < length:
        yield f"is shorter than {length} characters"
    elif len(set(secret)) < CHARACTERS:
        yield f"has fewer than {CHARACTERS} different characters"
    if CONTROL.search(secret):
        yield "holds a line break or another control character"


def password_errors(secret: str) -> Iterator[str]:
    """Return what is wrong with a password that is not an option of Airflow by itself."""
    yield from text_errors(secret, PASSWORD_LENGTH)


def flower_errors(secret: str) -> Iterator[str]:
    """Return what is wrong with the password of Flower, which is read as one of several logins."""
    yield from text_errors(secret, PASSWORD_LENGTH)
    if "," in secret:
        yield "holds a comma, which separates logins of Flower"
    if not secret.isascii():
        yield "holds a character that is not ASCII, with which Flower lets nobody in"
    if EXPANDED.search(f":{secret}"):
        yield "holds a '$' before a letter, digit, '_' or '{', which Airflow expands"


def key_errors(secret: str) -> Iterator[str]:
    """Return what is wrong with a key that signs."""
    yield from text_errors(secret, KEY_LENGTH)
    if EXPANDED.search(secret):
        yield "holds a '$' before a letter, digit, '_' or '{', or begins with '~', which Airflow expands"


def fernet_errors(secret: str) -> Iterator[str]:
    """Return what is wrong with Fernet keys."""
    if not FERNET_KEYS.fullmatch(secret):
        yield "is not a Fernet key, which is 32 bytes as URL-safe Base64"
    elif any(len(set(key)) < CHARACTERS for key in secret.split(",")):
        yield f"has fewer than {CHARACTERS} different characters"


ERRORS: dict[str, Callable[[str], Iterator[str]]] = {
    "airflow_admin_password": password_errors,
    "airflow_broker_password": password_errors,
    "airflow_broker_scheduler_password": password_errors,
    "airflow_broker_monitor_password": password_errors,
    "airflow_database_password": password_errors,
    "airflow_results_password": password_errors,
    "airflow_flower_password": flower_errors,
    "airflow_jwt_secret": key_errors,
    "airflow_api_secret_key": key_errors,
    "airflow_session_secret_key": key_errors,
    "airflow_fernet_key": fernet_errors,
}


def secret_errors(secrets: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each mistake in secrets, which never shows the secret.

    :param secrets: the values of variables by their names, each a key of :data:`ERRORS`
    """
    found = []
    for name, value in secrets.items():
        if isinstance(value, str):
            found += [f"{name} {error}" for error in ERRORS[name](value)]
        else:
            found.append(f"{name} is not text: YAML reads it as another type unless it is in quotes")
    return found


def undecryptable(values: Iterable[str], keys: str) -> list[str]:
    """Return the values that none of the Fernet keys decrypts.

    :param values: what Airflow has encrypted
    :param keys: Fernet keys, separated by commas
    """
    # A library of ansible-core itself, imported where it is needed alone: that takes longer than most tasks.
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet  # noqa: PLC0415

    fernet = MultiFernet([Fernet(key) for key in keys.split(",")])

    def decrypts(value: str) -> bool:
        try:
            fernet.decrypt(value.encode())
        except InvalidToken:
            return False
        return True

    return [value for value in values if not decrypts(value)]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"secret_errors": secret_errors, "undecryptable": undecryptable}
