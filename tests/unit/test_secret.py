"""Secrets are made once, kept private, and never lost."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleLookupError
from lookup.secret import GENERATORS, ensure_secret


def load(name: str) -> Any:
    return yaml.safe_load(Path(name).read_text(encoding="utf-8"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inventory" / ".airflow-secrets.yml"


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_a_secret_is_made_once(path: Path, name: str) -> None:
    made = ensure_secret(path, name, load)
    assert len(made) >= 32
    assert ensure_secret(path, name, load) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_differ(path: Path) -> None:
    assert len({ensure_secret(path, name, load) for name in GENERATORS}) == len(GENERATORS)


def test_the_fernet_key_is_one(path: Path) -> None:
    assert len(base64.urlsafe_b64decode(ensure_secret(path, "airflow_fernet_key", load))) == 32


def test_forks_agree(path: Path) -> None:
    with ThreadPoolExecutor(16) as forks:
        made = set(forks.map(lambda _: ensure_secret(path, "airflow_jwt_secret", load), range(64)))
    assert len(made) == 1


def test_what_a_user_wrote_is_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("airflow_admin_password: mine\nother: theirs\n", encoding="utf-8")
    ensure_secret(path, "airflow_broker_password", load)
    assert ensure_secret(path, "airflow_admin_password", load) == "mine"
    assert load(str(path))["other"] == "theirs"


def test_an_unknown_name_is_refused(path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="unknown secret"):
        ensure_secret(path, "airflow_fernet_kez", load)
    assert not path.exists()


def test_an_encrypted_file_is_not_overwritten(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n", encoding="utf-8")
    with pytest.raises(AnsibleLookupError, match="ansible-vault edit"):
        ensure_secret(path, "airflow_broker_password", lambda _: {"airflow_admin_password": "kept"})
    assert path.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT")


def test_a_damaged_file_is_not_overwritten(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("- not\n- a mapping\n", encoding="utf-8")
    with pytest.raises(AnsibleLookupError, match="mapping of names"):
        ensure_secret(path, "airflow_broker_password", load)
    assert "not" in path.read_text(encoding="utf-8")
