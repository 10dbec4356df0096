# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugin: two values of a secret at a time, as those who accept both are told."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any


def key_id(secret: str) -> str:
    """Return the name of a key that signs tokens, which follows from the key."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def key_set(secrets: Iterable[str]) -> str:
    """Return keys that sign tokens as a JSON Web Key Set, for Airflow's ``trusted_jwks_url``."""
    keys = [
        {
            "kty": "oct",
            "alg": "HS512",
            "kid": key_id(secret),
            "k": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
        }
        for secret in secrets
    ]
    return json.dumps({"keys": keys})


def password_rules(password: str, accepted: str = "") -> list[str]:
    """Return the rules of a user of Valkey with one password or two.

    :param password: of the user
    :param accepted: another one, if it is not empty
    """
    return [f"#{hashlib.sha256(secret.encode()).hexdigest()}" for secret in (password, accepted) if secret]


def login_roles(databases: Iterable[Mapping[str, str]], existing: Collection[str]) -> list[dict[str, str]]:
    """Return the roles of PostgreSQL; without a password one must not log in.

    A role has one password, so the other one of an owner and its second login has the other value.

    :param databases: of each the name of its ``owner``, that of the role that clients ``login`` as, its
        ``password``, and the other value that is ``accepted``
    :param existing: names of the roles that there are
    """
    roles = []
    for database in databases:
        owner = database["owner"]
        for name in (owner, f"{owner}_2"):
            password = database["password" if name == database["login"] else "accepted"]
            if password or name == owner or name in existing:
                roles.append({"name": name, "owner": owner, "password": password})
    return roles


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {
            "key_id": key_id,
            "key_set": key_set,
            "login_roles": login_roles,
            "password_rules": password_rules,
        }
