# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup plugin: a secret of the cluster, generated once and kept beside the inventory."""

from __future__ import annotations

# ansible-test demands the documentation above the imports.
# ruff: noqa: E402
DOCUMENTATION = r"""
name: secret
short_description: A secret of the cluster, generated once and kept beside the inventory
description:
  - Returns the value kept in O(airflow_secrets_file), generating it first if it is missing.
  - The secrets are the defaults of the role variables with the same names, so a variable that is set
    (for example from Ansible Vault) takes precedence over this lookup.
  - Runs on the controller. The file is created with mode 0600 and replaced atomically under a lock.
  - A file that others can read or that belongs to another user is refused, unless it is encrypted.
  - A file encrypted with Ansible Vault is read, but never written. A secret missing from it is an error.
  - In check mode nothing is written, so a secret that is missing is another one each time.
options:
  _terms:
    description: Names of the secrets.
    type: list
    elements: str
    required: true
    choices: [airflow_fernet_key, airflow_jwt_secret, airflow_api_secret_key, airflow_session_secret_key,
      airflow_database_password, airflow_results_password, airflow_broker_password,
      airflow_broker_scheduler_password, airflow_broker_monitor_password, airflow_admin_password,
      airflow_flower_password]
  airflow_secrets_file:
    description: Path of the file on the controller. Empty means C(.airflow-secrets.yml) beside the inventory.
    type: str
    default: ""
    vars:
      - name: airflow_secrets_file
  missing_only:
    description: Whether to return the names of those secrets that are missing instead, and to generate none.
    type: bool
    default: false
  part:
    description:
      - What to return of each secret.
      - V(accepted) is its other value while it is rotated, the next or the one before, and otherwise empty.
      - V(login) is what is appended to the name of the role whose password it is. One of PostgreSQL has one,
        so each rotation changes to the other one of two roles.
    type: str
    choices: [value, accepted, login]
    default: value
  rotate:
    description:
      - A step of a rotation to take. Returns the names of the secrets that are being rotated.
      - A step that is taken again changes nothing.
      - V(begin) generates the next values of the named secrets, unless they are being rotated already.
      - V(use) makes the next values the secrets, and keeps those before.
      - V(finish) forgets those before.
    type: str
    choices: [begin, use, finish]
author: lakehouse.airflow maintainers (@lakehouse-airflow)
"""

EXAMPLES = r"""
- name: Print how long the password of the broker is
  ansible.builtin.debug:
    msg: "{{ lookup('lakehouse.airflow.secret', 'airflow_broker_password') | length }}"
"""

RETURN = r"""
_raw:
  description: The secrets, or what O(part) says of them, in the order of the names; or names of secrets.
  type: list
  elements: str
"""

import base64
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.lakehouse.airflow.plugins.plugin_utils.files import check_private


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
    "airflow_session_secret_key": _signing_key,
    "airflow_database_password": _password,
    "airflow_results_password": _password,
    "airflow_broker_password": _password,
    "airflow_broker_scheduler_password": _password,
    "airflow_broker_monitor_password": _password,
    "airflow_admin_password": _password,
    "airflow_flower_password": _password,
}

# Beside the name of a secret that is being rotated: the value that is accepted besides it.
NEXT = "_next"
PREVIOUS = "_previous"
# Passwords of roles of PostgreSQL, and beside their names what is appended to that of the role.
ROLE_PASSWORDS = ("airflow_database_password", "airflow_results_password")
LOGIN = "_login"
SECOND_LOGIN = "_2"

HEADER = "# Secrets of the cluster, generated once. Keep it, keep it private; ansible-vault may encrypt it.\n"


def is_encrypted(path: Path) -> bool:
    """Return whether ``path`` is encrypted with Ansible Vault."""
    with path.open("rb") as stream:
        return stream.read(14) == b"$ANSIBLE_VAULT"


def stored_secrets(path: Path, load: Callable[[str], Any]) -> dict[str, str]:
    """Return the secrets kept in ``path``.

    :param path: the secrets file; a missing or empty one holds no secrets
    :param load: turns a file name into its parsed and, if need be, decrypted content
    :raises AnsibleLookupError: others can read or write the file, or it is not a mapping of names to strings
    """
    if not path.exists():
        return {}
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise AnsibleLookupError(f"{path} is not a file; set airflow_secrets_file to the path of one")
    if status.st_size == 0:
        return {}
    if not is_encrypted(path):
        check_private(path, "secrets")
    content = load(str(path))
    if not isinstance(content, dict):
        raise AnsibleLookupError(
            f"{path} must hold a mapping of names to strings; correct it or restore it from a backup"
        )
    if others := [str(name) for name, value in content.items() if not isinstance(value, str)]:
        raise AnsibleLookupError(
            f"{path} must hold a mapping of names to strings, and YAML reads {', '.join(others)} as another"
            " type; put quotes around it"
        )
    return {str(name): str(value) for name, value in content.items()}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside ``path``.

    :raises AnsibleLookupError: the lock is a link, or cannot be opened
    """
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AnsibleLookupError(f"{lock} cannot be opened ({error.strerror}); remove it") from error
    with os.fdopen(descriptor, "r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def ensure_secret(path: Path, name: str, load: Callable[[str], Any], *, keep: bool = True) -> str:
    """Return the secret ``name`` kept in ``path``, generating it first if it is missing.

    :param path: the secrets file, created with mode 0600
    :param name: a key of :data:`GENERATORS`
    :param load: as for :func:`stored_secrets`
    :param keep: whether a generated secret is written; not in check mode, which changes nothing
    :raises AnsibleLookupError: ``name`` is unknown, or the file cannot be used, or is encrypted and lacks it
    """
    if name not in GENERATORS:
        raise AnsibleLookupError(f"unknown secret '{name}'; known are: {', '.join(sorted(GENERATORS))}")
    if (kept := stored_secrets(path, load)).get(name):
        return kept[name]
    if path.exists() and path.stat().st_size and is_encrypted(path):
        raise AnsibleLookupError(
            f"{path} is encrypted and has no '{name}'; add it with 'ansible-vault edit {path}'"
        )
    if not keep:
        return GENERATORS[name]()

    # Forks ask at the same time: the first one generates the secret, the others must read that one.
    def generate(kept: dict[str, str]) -> None:
        kept[name] = kept.get(name) or GENERATORS[name]()

    return edit(path, load, generate)[name]


def edit(
    path: Path, load: Callable[[str], Any], change: Callable[[dict[str, str]], object], *, keep: bool = True
) -> dict[str, str]:
    """Change the secrets kept in ``path``, and return them.

    :param path: as for :func:`ensure_secret`
    :param load: as for :func:`stored_secrets`
    :param change: changes them in place
    :param keep: whether the change is written
    """
    if not keep:
        kept = stored_secrets(path, load)
        change(kept)
        return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        before = stored_secrets(path, load)
        change(kept := dict(before))
        if kept != before:
            # mkstemp creates the file with mode 0600.
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(HEADER + yaml.safe_dump(kept, width=1000))
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
    return kept


def accepted(kept: dict[str, str], name: str) -> str:
    """Return the other value of a secret that is being rotated, empty for one that is not."""
    return kept.get(name + NEXT) or kept.get(name + PREVIOUS) or ""


def begin(kept: dict[str, str], names: list[str]) -> None:
    """Generate the next values of secrets, but of those that are being rotated already."""
    for name in names:
        if not accepted(kept, name):
            kept[name + NEXT] = GENERATORS[name]()


def use(kept: dict[str, str]) -> None:
    """Make the next values the secrets, and keep those before."""
    for name in GENERATORS:
        if name + NEXT in kept:
            kept[name + PREVIOUS] = kept[name]
            kept[name] = kept.pop(name + NEXT)
            if name in ROLE_PASSWORDS and not kept.pop(name + LOGIN, ""):
                kept[name + LOGIN] = SECOND_LOGIN


def finish(kept: dict[str, str]) -> None:
    """Forget the values before."""
    for name in GENERATORS:
        kept.pop(name + PREVIOUS, None)


def rotate(
    path: Path, step: str, names: list[str], load: Callable[[str], Any], *, keep: bool = True
) -> list[str]:
    """Take a step of a rotation, and return the names of the secrets that are being rotated.

    :param path: the secrets file
    :param step: ``begin``, ``use`` or ``finish``
    :param names: those whose rotation begins, each a key of :data:`GENERATORS`
    :param load: as for :func:`stored_secrets`
    :param keep: as for :func:`edit`
    :raises AnsibleLookupError: the file is encrypted, or lacks a secret
    """
    if path.exists() and is_encrypted(path):
        raise AnsibleLookupError(
            f"{path} is encrypted, so no new secret can be kept in it;"
            f" run 'ansible-vault decrypt {path}', rotate, and then 'ansible-vault encrypt {path}'"
        )
    rotated: list[str] = []

    def change(kept: dict[str, str]) -> None:
        if lacking := [name for name in names if not kept.get(name)]:
            raise AnsibleLookupError(f"{path} has no {', '.join(lacking)}, and only what it has is rotated")
        if step == "begin":
            begin(kept, names)
        rotated.extend(name for name in GENERATORS if accepted(kept, name))
        if step == "use":
            use(kept)
        elif step == "finish":
            finish(kept)

    edit(path, load, change, keep=keep)
    return rotated


def secrets_file(given: str | None, inventory_directory: str | None) -> Path:
    """Return the path of the secrets file.

    :param given: the variable ``airflow_secrets_file``
    :param inventory_directory: the directory of the inventory file, if there is one
    :raises AnsibleLookupError: neither is known, as with ``-i host,``
    """
    if given:
        return Path(given).expanduser()
    if inventory_directory is None:
        raise AnsibleLookupError(
            "there is no inventory file beside which the secrets could be kept;"
            " set airflow_secrets_file to a path on the controller"
        )
    return Path(inventory_directory, ".airflow-secrets.yml")


def missing_secrets(
    names: list[str], given: str | None, inventory_directory: str | None, load: Callable[[str], Any]
) -> list[str]:
    """Return which of the secrets are not kept: all of them where no file could keep them.

    :param names: names of secrets
    :param given: as for :func:`secrets_file`
    :param inventory_directory: as for :func:`secrets_file`
    :param load: as for :func:`stored_secrets`
    """
    if not given and inventory_directory is None:
        return names
    kept = stored_secrets(secrets_file(given, inventory_directory), load)
    return [name for name in names if not kept.get(name)]


class LookupModule(LookupBase):
    """See :data:`DOCUMENTATION`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the secrets named by ``terms``.

        :raises AnsibleLookupError: see :func:`ensure_secret` and :func:`secrets_file`
        """
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        given = self.get_option("airflow_secrets_file")
        directory, part = variables.get("inventory_dir"), self.get_option("part")
        if self.get_option("missing_only"):
            return missing_secrets(terms, given, directory, self._load)
        if part != "value" and not given and directory is None:
            return [""] * len(terms)
        path = secrets_file(given, directory)
        if part != "value":
            kept = stored_secrets(path, self._load)
            if part == "accepted":
                return [accepted(kept, term) for term in terms]
            return [kept.get(term + LOGIN, "") for term in terms]
        keep = not variables.get("ansible_check_mode", False)
        if step := self.get_option("rotate"):
            return rotate(path, step, terms, self._load, keep=keep)
        return [ensure_secret(path, term, self._load, keep=keep) for term in terms]

    def _load(self, name: str) -> Any:
        # Not cached: another fork may have added a secret since.
        return self._loader.load_from_file(name, cache="none", unsafe=True)
