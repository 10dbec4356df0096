"""Both values of a secret are accepted while it is rotated."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from filter.rotation import key_id, key_set, login_roles, password_rules
from lookup.secret import GENERATORS
from testlib.ansible_commands import BIN, Result, run_command
from testlib.cluster import PROJECT


def test_each_key_has_a_name_that_follows_from_it() -> None:
    keys = json.loads(key_set(["old" * 20, "new" * 20]))["keys"]
    assert [key["kid"] for key in keys] == [key_id("old" * 20), key_id("new" * 20)]
    assert len({key["kid"] for key in keys}) == 2


def test_a_user_of_the_broker_has_one_password_or_two() -> None:
    digests = [f"#{hashlib.sha256(text).hexdigest()}" for text in (b"new", b"old")]
    assert password_rules("new", "old") == digests
    assert password_rules("new", "") == digests[:1]


@pytest.mark.parametrize(
    ("login", "password", "accepted", "existing", "expected"),
    [
        ("airflow", "a", "", [], {"airflow": "a"}),
        ("airflow", "a", "b", ["airflow"], {"airflow": "a", "airflow_2": "b"}),
        ("airflow_2", "b", "a", ["airflow", "airflow_2"], {"airflow": "a", "airflow_2": "b"}),
        ("airflow_2", "b", "", ["airflow", "airflow_2"], {"airflow": "", "airflow_2": "b"}),
        ("airflow_2", "b", "", [], {"airflow": "", "airflow_2": "b"}),
        ("airflow_2", "b", "c", ["airflow", "airflow_2"], {"airflow": "c", "airflow_2": "b"}),
        ("airflow", "c", "", ["airflow", "airflow_2"], {"airflow": "c", "airflow_2": ""}),
    ],
)
def test_two_roles_take_turns(
    login: str, password: str, accepted: str, existing: list[str], expected: dict[str, str]
) -> None:
    database = {"owner": "airflow", "login": login, "password": password, "accepted": accepted}
    roles = login_roles([database], existing)
    assert {role["name"]: role["password"] for role in roles} == expected
    assert {role["owner"] for role in roles} == {"airflow"}


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.yml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({name: make() for name, make in GENERATORS.items()}), encoding="utf-8")
    return path


def begin(path: Path, *options: str, **variables: Any) -> Result:
    """Begin a rotation on a cluster of one host, whose inventory sets the variables."""
    groups = ("postgres", "valkey", "schedulers", "webservers", "flower", "workers")
    members = {"hosts": {"single": {"ansible_connection": "local", "airflow_secrets_file": str(path)}}}
    inventory = {"all": {"children": dict.fromkeys(groups, members), "vars": variables}}
    (path.parent / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return run_command(
        "ansible-playbook",
        f"--inventory={path.parent / 'hosts.yml'}",
        "playbooks/tiers/rotation_begin.yml",
        *options,
    )


def rotating(path: Path) -> set[str]:
    """Return the names of the secrets of which the file has the next value."""
    names = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name.removesuffix("_next") for name in names if name.endswith("_next")}


def test_all_secrets_of_the_file_are_rotated_but_not_those_of_ansible_vault_or_a_lookup(
    secrets_file: Path,
) -> None:
    password_file = secrets_file.with_name("vault-password")
    password_file.write_text("lab", encoding="utf-8")
    vault = f"--vault-password-file={password_file}"
    given = [str(BIN / "ansible-vault"), "encrypt_string", vault, "a password of the company"]
    encrypted = subprocess.run(given, check=True, capture_output=True, text=True, cwd=PROJECT).stdout
    variables = secrets_file.with_name("group_vars")
    variables.mkdir()
    (variables / "all.yml").write_text(f"airflow_results_password: {encrypted}", encoding="utf-8")
    environment = "{{ lookup('ansible.builtin.env', 'HOME') * 9 }}"
    done = begin(secrets_file, vault, airflow_jwt_secret=environment).assert_success()
    assert rotating(secrets_file) == GENERATORS.keys() - {"airflow_results_password", "airflow_jwt_secret"}
    said = done.text.partition("Not rotated, for a variable sets them: ")[2]
    assert said.startswith(
        ("airflow_jwt_secret, airflow_results_password.", "airflow_results_password, airflow_jwt_secret.")
    )


def test_one_secret_is_rotated(secrets_file: Path) -> None:
    begin(secrets_file, "--extra-vars=airflow_rotate=airflow_fernet_key").assert_success()
    assert rotating(secrets_file) == {"airflow_fernet_key"}


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (
            ["--extra-vars=airflow_rotate=airflow_jwt_secret,airflow_fernet_key"],
            {"airflow_jwt_secret": "from elsewhere" * 4},
            "(airflow_jwt_secret), is rotated there, in the three steps of docs/rotation.md",
        ),
        (["--extra-vars=airflow_rotate=jwt"], {}, "Got no match for: jwt"),
        (["--limit=single"], {}, "--limit leaves some out (single). Run it without."),
    ],
)
def test_what_cannot_be_rotated_is_refused_before_any_change(
    secrets_file: Path, options: list[str], variables: dict[str, str], said: str
) -> None:
    done = begin(secrets_file, *options, **variables)
    assert done.returncode != 0
    assert said in done.text
    assert rotating(secrets_file) == set()
