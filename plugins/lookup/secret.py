"""Lookup plugin: one secret of the cluster, made once and kept beside the inventory."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: secret
short_description: One secret of the cluster, made once and kept beside the inventory
description:
  - Returns the variable of the given name if one is set (for example from Ansible Vault).
  - Otherwise returns the value kept in O(airflow_secrets_file), making it there first if it is missing.
  - Runs on the controller. The file is created with mode 0600 and replaced atomically under a lock.
  - A file encrypted with Ansible Vault is read, but never written; a secret missing from it is an error.
options:
  _terms:
    description: Names of the secrets.
    type: list
    elements: str
    required: true
    choices: [airflow_fernet_key, airflow_jwt_secret, airflow_api_secret_key, airflow_database_password,
      airflow_results_password, airflow_broker_password, airflow_admin_password, airflow_flower_password]
  airflow_secrets_file:
    description: Path of the file on the controller. Defaults to C(.airflow-secrets.yml) beside the inventory.
    type: path
    vars:
      - name: airflow_secrets_file
author: lakehouse.airflow maintainers
"""

EXAMPLES = r"""
- name: Use the broker's password
  ansible.builtin.set_fact:
    broker_password: "{{ lookup('lakehouse.airflow.secret', 'airflow_broker_password') }}"
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of the names.
  type: list
  elements: str
"""


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _password() -> str:
    return secrets.token_urlsafe(24)


def _signing_key() -> str:
    return secrets.token_urlsafe(64)


GENERATORS: dict[str, Callable[[], str]] = {
    "airflow_fernet_key": _fernet_key,
    "airflow_jwt_secret": _signing_key,
    "airflow_api_secret_key": _signing_key,
    "airflow_database_password": _password,
    "airflow_results_password": _password,
    "airflow_broker_password": _password,
    "airflow_admin_password": _password,
    "airflow_flower_password": _password,
}

HEADER = (
    "# Secrets of the cluster, made once. Keep this file, keep it private; ansible-vault may encrypt it.\n"
)


def stored_secrets(path: Path, load: Callable[[str], Any]) -> dict[str, str]:
    """Read the secrets kept in ``path``.

    :param path: the secrets file; a missing or empty one holds no secrets
    :param load: turns a file name into its parsed, if need be decrypted, content
    :raises AnsibleLookupError: the file is not a mapping of names to strings
    """
    if not path.exists() or path.stat().st_size == 0:
        return {}
    content = load(str(path))
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise AnsibleLookupError(
            f"{path} must hold a mapping of names to strings; mend it or restore it from a backup"
        )
    return {str(name): str(value) for name, value in content.items()}


def ensure_secret(path: Path, name: str, load: Callable[[str], Any]) -> str:
    """Return the secret ``name`` kept in ``path``, making it first if it is missing.

    :param path: the secrets file, created with mode 0600
    :param name: a key of :data:`GENERATORS`
    :param load: as for :func:`stored_secrets`
    :raises AnsibleLookupError: ``name`` is unknown, or the file is encrypted and lacks it
    """
    if name not in GENERATORS:
        raise AnsibleLookupError(f"unknown secret '{name}'; known are: {', '.join(sorted(GENERATORS))}")
    if (kept := stored_secrets(path, load)).get(name):
        return kept[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Forks ask at the same time: the first one in makes the secret, the others must read that one.
    with path.with_name(path.name + ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = stored_secrets(path, load)
        if kept.get(name):
            return kept[name]
        if path.exists() and path.read_bytes().startswith(b"$ANSIBLE_VAULT"):
            raise AnsibleLookupError(
                f"{path} is encrypted and has no '{name}'; add it with 'ansible-vault edit {path}'"
            )
        kept[name] = GENERATORS[name]()
        descriptor, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f"{path.name}."
        )  # 0600 from the start
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(HEADER + yaml.safe_dump(kept, width=1000))
        Path(temporary).replace(path)
    return kept[name]


class LookupModule(LookupBase):
    """See :data:`DOCUMENTATION`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the secrets named by ``terms``.

        :raises AnsibleLookupError: see :func:`ensure_secret`
        """
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        path = Path(
            self.get_option("airflow_secrets_file")
            or Path(variables.get("inventory_dir") or ".", ".airflow-secrets.yml")
        ).expanduser()
        found = []
        for term in terms:
            given = variables.get(term)
            if given is None or given == "":
                found.append(ensure_secret(path, term, self._load))
            else:
                found.append(str(self._templar.template(given)))
        return found

    def _load(self, name: str) -> Any:
        # Not cached: another fork may have added a secret since.
        return self._loader.load_from_file(name, cache="none", unsafe=True)
