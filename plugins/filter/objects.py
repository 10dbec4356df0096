# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: connections, variables, pools and users, as Airflow's REST API has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CONNECTION_ID = re.compile(r"[\w.-]{1,200}")
# It is a part of the path of the API.
USERNAME = re.compile(r"[A-Za-z0-9._@-]+")
PASSWORD_LENGTH = 8

Check = Callable[[Any], str | None]


def text(value: Any) -> str | None:
    """Return what is wrong with a text: nothing, or a sentence without its subject and without the value."""
    return (
        None
        if isinstance(value, str)
        else "is not text: YAML reads it as another type unless it is in quotes"
    )


def filled_text(value: Any) -> str | None:
    return text(value) or (None if value else "is empty")


def pattern(regex: re.Pattern[str], allowed: str) -> Check:
    return lambda value: text(value) or (None if regex.fullmatch(value) else f"is not {allowed}")


def line(limit: int) -> Check:
    """Return the check of a text of one line with at most so many characters."""

    def check(value: Any) -> str | None:
        if problem := filled_text(value):
            return problem
        return (
            f"is not one line of {limit} characters" if CONTROL.search(value) or len(value) > limit else None
        )

    return check


def number(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        whole = not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+", str(value))
        return None if whole and low <= int(value) <= high else f"is not a whole number from {low} to {high}"

    return check


def boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "is not true or false"


def json_object(value: Any) -> str | None:
    """Return what is wrong with a mapping, or the JSON of one."""
    try:
        found = json.loads(value) if isinstance(value, str) and value else value
    except ValueError:
        found = None
    return None if isinstance(found, Mapping) or found == "" else "is not a mapping"


def anything(value: Any) -> str | None:
    return "is empty" if value is None else None


def role_names(value: Any) -> str | None:
    good = (
        isinstance(value, list)
        and value
        and all(isinstance(role, Mapping) and [*role] == ["name"] for role in value)
    )
    return (
        None
        if good and all(isinstance(role["name"], str) for role in value)
        else "is not like [{name: Viewer}]"
    )


def password(value: Any) -> str | None:
    return text(value) or (
        None if len(value) >= PASSWORD_LENGTH else f"is shorter than {PASSWORD_LENGTH} characters"
    )


# The fields of each kind: the first one is the name; those without a default are required.
REQUIRED = object()
KINDS: dict[str, dict[str, tuple[Check, Any]]] = {
    "connections": {
        "connection_id": (pattern(CONNECTION_ID, "made of letters, digits, '_', '.' and '-'"), REQUIRED),
        "conn_type": (filled_text, REQUIRED),
        "description": (text, None),
        "host": (text, None),
        "login": (text, None),
        "schema": (text, None),
        "port": (number(1, 65535), None),
        "password": (text, None),
        "extra": (json_object, None),
    },
    "variables": {
        "key": (line(250), REQUIRED),
        "value": (anything, REQUIRED),
        "description": (text, None),
    },
    "pools": {
        "name": (line(256), REQUIRED),
        "slots": (number(-1, 2**31 - 1), REQUIRED),
        "description": (text, None),
        "include_deferred": (boolean, False),
    },
    "users": {
        "username": (pattern(USERNAME, "made of letters, digits, '.', '_', '@' and '-'"), REQUIRED),
        "email": (filled_text, REQUIRED),
        "first_name": (filled_text, REQUIRED),
        "last_name": (filled_text, REQUIRED),
        "roles": (role_names, REQUIRED),
        "password": (password, None),
    },
}


def object_problems(item: Any, kind: str) -> Iterator[str]:
    """Return what is wrong with one object, without its values."""
    if not isinstance(item, Mapping):
        yield "is not a mapping"
        return
    fields = KINDS[kind]
    unknown = [str(name) for name in item if name not in fields]
    if unknown:
        yield f"has the unknown field {', '.join(unknown)} (known are {', '.join(fields)})"
    for name, (check, default) in fields.items():
        value = item.get(name)
        if default is REQUIRED or value is not None:
            problem = "is missing" if value is None else check(value)
            if problem:
                yield f"has a field {name} that {problem}"


def object_errors(objects: Any, kind: str, reserved: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with a list of objects.

    :param objects: meant to be a list of mappings with the field names of the API
    :param kind: a key of :data:`KINDS`
    :param reserved: names that must not be in it
    :returns: one sentence for each error, without values but names; empty if there is none
    """
    if not isinstance(objects, list):
        return ["is not a list of mappings"]
    identifier = next(iter(KINDS[kind]))
    found = [item.get(identifier) if isinstance(item, Mapping) else None for item in objects]
    names = [name if isinstance(name, str) else "" for name in found]
    errors = []
    for number_, (item, name) in enumerate(zip(objects, names, strict=True), start=1):
        errors += [f"number {number_} ({name!r}) {problem}" for problem in object_problems(item, kind)]
    repeated = sorted({name for name in names if names.count(name) > 1 and name})
    errors += [f"{name!r} is there more than once" for name in repeated]
    return errors + [f"{name!r} has variables of its own" for name in reserved if name in names]


def api_objects(objects: list[Mapping[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return objects with all of their fields, as the API takes them; only a user may have no password.

    :param objects: see :func:`object_errors`
    :param kind: a key of :data:`KINDS`
    """
    result = []
    for item in objects:
        full = {name: default for name, (_check, default) in KINDS[kind].items()} | dict(item)
        for name in ("port", "slots"):
            if full.get(name) is not None:
                full[name] = int(full[name])
        if isinstance(full.get("extra"), Mapping):
            full["extra"] = json.dumps(full["extra"], sort_keys=True)
        result.append(full)
    return result


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"api_objects": api_objects, "object_errors": object_errors}
