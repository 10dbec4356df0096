"""A configuration of FAB that cannot be used is named with file and line, and without what it holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[1]
SCRIPT = ROLE / "files" / "check_webserver_config.py"
INCLUDING = ROLE.parent / "airflow_runtime" / "files" / "webserver_config.py"
PAGE = (ROLE.parents[1] / "docs" / "sign-in.md").read_text(encoding="utf-8")
PASSWORD = "Zx8-qT2_vB5"  # noqa: S105 - of the test
NAME = "webserver_config.py"
LDAP = "from flask_appbuilder.const import AUTH_LDAP\nAUTH_TYPE = AUTH_LDAP\n"


def check(content: str, **environment: str) -> tuple[int, str]:
    """Return the exit code and the line of the check."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.read_text(encoding="utf-8")],
        input=json.dumps({"name": NAME, "content": content, "environment": environment}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout.strip()


def test_what_runs_passes() -> None:
    content = "import os\nfrom flask import current_app\nX = current_app.name + os.environ['OF_THE_USER']\n"
    assert check(content, OF_THE_USER="x") == (0, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\nAUTH_TYPE = (\n", f"{NAME}:2: SyntaxError: '(' was never closed"),
        ("\nimport no_such_module\n", f"{NAME}:2: ModuleNotFoundError: No module named 'no_such_module'"),
        (f"X = {PASSWORD.replace('-', '_')}\n", f"{NAME}:1: NameError"),
        (f"X = 1\nY = int('{PASSWORD}')\n", f"{NAME}:2: ValueError"),
        ("import os\nX = os.environ['NOT_THERE']\n", f"{NAME}:2: KeyError"),
        ("raise SystemExit(0)\n", f"{NAME}:1: SystemExit"),
        (LDAP, f"{NAME}: AUTH_TYPE is AUTH_LDAP, so it has to set AUTH_LDAP_SERVER"),
        (
            "AUTH_LDAP_TLS_CACERTFILE = '/no/such/file'\n",
            f"{NAME}: AUTH_LDAP_TLS_CACERTFILE is not a file on this host",
        ),
        (
            f"{LDAP}AUTH_LDAP_SERVER = 'ldaps://ldap.company.test'\n",
            f"{NAME}: AUTH_LDAP needs python-ldap, which airflow_extra_packages does not bring",
        ),
    ],
)
def test_what_cannot_be_used_is_named(content: str, said: str) -> None:
    code, line = check(content)
    assert (code, line) == (1, said)
    assert PASSWORD not in line


def test_the_example_with_oauth_runs() -> None:
    (example,) = [block for block in re.findall(r"```jinja\n(.*?)```", PAGE, re.DOTALL) if "OAUTH" in block]
    # It comes with the package that the page names.
    said = f"{NAME}: AUTH_OAUTH needs authlib, which airflow_extra_packages does not bring"
    content = example.replace("{{ oidc_client_secret | to_json }}", json.dumps(PASSWORD))
    assert PASSWORD in content
    assert check(content) == (1, said)


RUN = """
import flask, sys
app = flask.Flask("test")
app.config.from_pyfile(sys.argv[1], silent=True)
print(app.config["SECRET_KEY"], app.config.get("AUTH_ROLES_SYNC_AT_LOGIN"))
"""


def start(path: str) -> subprocess.CompletedProcess[str]:
    """Have Flask read the file of the runtime, as Airflow does."""
    environment = {
        "AIRFLOW__LAKEHOUSE__SESSION_SECRET_KEY": "of the collection",
        "AIRFLOW__LAKEHOUSE__WEBSERVER_CONFIG": path,
    }
    return subprocess.run(
        [sys.executable, "-c", RUN, str(INCLUDING)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_key_of_sessions_is_that_of_the_collection(tmp_path: Path) -> None:
    path = tmp_path / "user.py"
    path.write_text("AUTH_ROLES_SYNC_AT_LOGIN = True\nSECRET_KEY = 'of the user'\n", encoding="utf-8")
    assert start(str(path)).stdout == "of the collection True\n"
    assert start("").stdout == "of the collection None\n"


@pytest.mark.parametrize("content", [None, "open('/no/such/file')\n"])
def test_a_file_that_is_missing_ends_the_server(tmp_path: Path, content: str | None) -> None:
    """It would go on with passwords alone, or with half of the file."""
    path = tmp_path / "user.py"
    if content:
        path.write_text(content, encoding="utf-8")
    done = start(str(path))
    assert done.returncode != 0
    assert "RuntimeError" in done.stderr
