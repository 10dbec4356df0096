"""Secrets are generated once, kept private, and never lost."""

from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleLookupError
from lookup.secret import GENERATORS, accepted, ensure_secret, missing_secrets, rotate, secrets_file


def load(name: str) -> Any:
    return yaml.safe_load(Path(name).read_text(encoding="utf-8"))


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inventory" / ".airflow-secrets.yml"


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_a_secret_is_generated_once(path: Path, name: str) -> None:
    made = ensure_secret(path, name, load)
    assert len(made) >= 32
    assert ensure_secret(path, name, load) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_check_mode_writes_nothing(path: Path) -> None:
    assert ensure_secret(path, "airflow_admin_password", load, keep=False)
    assert not path.parent.exists()
    made = ensure_secret(path, "airflow_admin_password", load)
    assert ensure_secret(path, "airflow_admin_password", load, keep=False) == made


def test_secrets_differ(path: Path) -> None:
    assert len({ensure_secret(path, name, load) for name in GENERATORS}) == len(GENERATORS)


def test_the_fernet_key_is_one(path: Path) -> None:
    assert len(base64.urlsafe_b64decode(ensure_secret(path, "airflow_fernet_key", load))) == 32


def test_forks_agree(path: Path) -> None:
    with ThreadPoolExecutor(16) as forks:
        made = set(forks.map(lambda _: ensure_secret(path, "airflow_jwt_secret", load), range(64)))
    assert len(made) == 1


def test_what_a_user_wrote_is_kept(path: Path) -> None:
    write(path, "airflow_admin_password: mine\nother: theirs\n")
    ensure_secret(path, "airflow_broker_password", load)
    assert ensure_secret(path, "airflow_admin_password", load) == "mine"
    assert load(str(path))["other"] == "theirs"


def test_an_unknown_name_is_refused(path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="unknown secret"):
        ensure_secret(path, "airflow_fernet_kez", load)
    assert not path.exists()


def test_an_encrypted_file_is_not_overwritten(path: Path) -> None:
    # Encrypted, it may be in a repository, where files have other modes.
    write(path, "$ANSIBLE_VAULT;1.1;AES256\n00\n", 0o644)
    with pytest.raises(AnsibleLookupError, match="ansible-vault edit"):
        ensure_secret(path, "airflow_broker_password", lambda _: {"airflow_admin_password": "kept"})
    assert path.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT")


def test_a_damaged_file_is_not_overwritten(path: Path) -> None:
    write(path, "- not\n- a mapping\n")
    with pytest.raises(AnsibleLookupError, match="mapping of names"):
        ensure_secret(path, "airflow_broker_password", load)
    assert "not" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    write(path, "airflow_admin_password: mine\n", mode)
    with pytest.raises(AnsibleLookupError, match="others can read its secrets; run 'chmod go= "):
        ensure_secret(path, "airflow_admin_password", load)


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, "airflow_admin_password: mine\n")
    owner = path.stat().st_uid or 1000
    os.chown(path, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(AnsibleLookupError, match="belongs to another user"):
        ensure_secret(path, "airflow_admin_password", load)


def test_a_link_at_the_lock_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.with_name(path.name + ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AnsibleLookupError, match="cannot be opened"):
        ensure_secret(path, "airflow_broker_password", load)
    assert not (tmp_path / "elsewhere").exists()
    assert not path.exists()


def test_what_yaml_does_not_read_as_text_is_named(path: Path) -> None:
    write(path, "airflow_admin_password: no\nairflow_flower_password: 12345678\nairflow_jwt_secret: text\n")
    with pytest.raises(
        AnsibleLookupError, match="reads airflow_admin_password, airflow_flower_password as another"
    ):
        ensure_secret(path, "airflow_jwt_secret", load)


def test_what_is_not_a_file_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(AnsibleLookupError, match="not a file"):
        ensure_secret(path, "airflow_admin_password", load)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(AnsibleLookupError, match="not a file"):
        ensure_secret(path, "airflow_admin_password", load)


def test_missing_secrets_are_found_and_not_generated(path: Path) -> None:
    names = ["airflow_admin_password", "airflow_fernet_key"]
    directory = str(path.parent)
    assert missing_secrets(names, None, directory, load) == names
    assert not path.parent.exists()
    write(path, "airflow_admin_password: mine\nairflow_fernet_key: ''\n")
    assert missing_secrets(names, None, directory, load) == ["airflow_fernet_key"]
    # Without a file that could keep them, all have to be given.
    assert missing_secrets(names, "", None, load) == names


def test_the_file_is_beside_the_inventory_unless_it_is_given() -> None:
    assert secrets_file("", "/etc/inventory") == Path("/etc/inventory/.airflow-secrets.yml")
    assert secrets_file("~/secrets.yml", "/etc/inventory") == Path.home() / "secrets.yml"


def test_without_an_inventory_file_the_path_must_be_given() -> None:
    with pytest.raises(AnsibleLookupError, match="set airflow_secrets_file"):
        secrets_file("", None)


def kept(path: Path) -> dict[str, str]:
    return dict(load(str(path)))


def test_a_rotation_has_three_steps_and_both_values_are_known_until_its_end(path: Path) -> None:
    name = "airflow_jwt_secret"
    old, other = ensure_secret(path, name, load), ensure_secret(path, "airflow_flower_password", load)
    assert rotate(path, "begin", [name], load) == [name]
    new = accepted(kept(path), name)
    assert ensure_secret(path, name, load) == old != new
    assert rotate(path, "use", [], load) == [name]
    assert (ensure_secret(path, name, load), accepted(kept(path), name)) == (new, old)
    assert rotate(path, "finish", [], load) == [name]
    assert kept(path) == {name: new, "airflow_flower_password": other}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["begin", "use", "finish"])
def test_a_step_that_is_taken_again_changes_nothing(path: Path, step: str) -> None:
    names = ["airflow_jwt_secret", "airflow_database_password"]
    for name in names:
        ensure_secret(path, name, load)
    for earlier in ("begin", "use", "finish"):
        rotate(path, earlier, names if earlier == "begin" else [], load)
        if earlier == step:
            break
    before = path.read_text(encoding="utf-8")
    if step != "finish":  # after which a rotation begins anew
        rotate(path, "begin", names, load)
    if step != "begin":
        rotate(path, step, [], load)
    assert path.read_text(encoding="utf-8") == before


def test_a_rotation_that_was_interrupted_goes_on_where_it_was(path: Path) -> None:
    """Another one joins it, and no secret is drawn twice."""
    for name in ("airflow_jwt_secret", "airflow_fernet_key"):
        ensure_secret(path, name, load)
    rotate(path, "begin", ["airflow_jwt_secret"], load)
    rotate(path, "use", [], load)
    new = kept(path)["airflow_jwt_secret"]
    names = ["airflow_fernet_key", "airflow_jwt_secret"]
    assert rotate(path, "begin", names, load) == names
    rotate(path, "use", [], load)
    rotate(path, "finish", [], load)
    assert kept(path)["airflow_jwt_secret"] == new
    assert kept(path).keys() == {*names}


def test_each_rotation_changes_the_login_of_a_database(path: Path) -> None:
    name, logins = "airflow_results_password", []
    ensure_secret(path, name, load)
    for step in ("begin", "use", "finish") * 3:
        rotate(path, step, [name] if step == "begin" else [], load)
        logins.append(kept(path).get(f"{name}_login", ""))
    assert logins == ["", "_2", "_2", "_2", "", "", "", "_2", "_2"]


def test_check_mode_begins_no_rotation(path: Path) -> None:
    ensure_secret(path, "airflow_jwt_secret", load)
    before = path.read_text(encoding="utf-8")
    assert rotate(path, "begin", ["airflow_jwt_secret"], load, keep=False) == ["airflow_jwt_secret"]
    assert path.read_text(encoding="utf-8") == before


def test_what_the_file_lacks_is_not_rotated(path: Path) -> None:
    ensure_secret(path, "airflow_jwt_secret", load)
    with pytest.raises(AnsibleLookupError, match="has no airflow_fernet_key"):
        rotate(path, "begin", ["airflow_fernet_key"], load)


def test_an_encrypted_file_is_not_rotated(path: Path) -> None:
    write(path, "$ANSIBLE_VAULT;1.1;AES256\n00")
    with pytest.raises(AnsibleLookupError, match="ansible-vault decrypt"):
        rotate(path, "begin", ["airflow_jwt_secret"], lambda _: {"airflow_jwt_secret": "x"})
