"""Run the configuration of FAB as the API server does; exit 1 and print a line if it cannot be used.

usage: check_webserver_config.py <INPUT

INPUT: a JSON object with `name` and `content` of the file, and `environment`, the variables of the service
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
import types
from pathlib import Path
from typing import Any

# What FAB imports when somebody signs in. Without it, it takes each login for a wrong one.
PACKAGES = {"AUTH_LDAP": ("ldap", "python-ldap"), "AUTH_OAUTH": ("authlib", "authlib")}
REQUIRED = {"AUTH_LDAP": "AUTH_LDAP_SERVER", "AUTH_OAUTH": "OAUTH_PROVIDERS"}
FILES = ("AUTH_LDAP_TLS_CACERTFILE", "AUTH_LDAP_TLS_CERTFILE", "AUTH_LDAP_TLS_KEYFILE")


def run(name: str, content: str) -> dict[str, Any]:
    """Run the configuration, and return what it sets."""
    from flask import Flask  # noqa: PLC0415 - it reads the environment

    module = types.ModuleType("config")
    module.__file__ = "/etc/airflow/webserver_config.py"
    with Flask("check").app_context():
        exec(compile(content, name, "exec"), module.__dict__)  # noqa: S102 - as Flask does
    return {key: value for key, value in vars(module).items() if key.isupper()}


def failure(name: str, error: BaseException) -> str:
    """Return ``FILE:LINE: ERROR``, with the last line of the file that has run.

    Without what most errors say: that may be a password.
    """
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    said = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename == name:
        lines.append(error.lineno)
        said += f": {error.msg}"
    elif isinstance(error, ImportError):
        said += f": {error}"
    return f"{name}:{lines[-1]}: {said}" if lines else f"{name}: {said}"


def problem(name: str, settings: dict[str, Any]) -> str | None:
    """Return what keeps FAB from letting people sign in with these settings."""
    from flask_appbuilder import const  # noqa: PLC0415 - it takes a second

    for kind, (module, package) in PACKAGES.items():
        if settings.get("AUTH_TYPE") != getattr(const, kind):
            continue
        if not settings.get(REQUIRED[kind]):
            return f"{name}: AUTH_TYPE is {kind}, so it has to set {REQUIRED[kind]}"
        if importlib.util.find_spec(module) is None:
            return f"{name}: {kind} needs {package}, which airflow_extra_packages does not bring"
    missing = [key for key in FILES if settings.get(key) and not Path(settings[key]).is_file()]
    return f"{name}: {missing[0]} is not a file on this host" if missing else None


def main() -> int:
    given = json.load(sys.stdin)
    os.environ.update(given["environment"])
    # What it imports prints what it likes: only the result goes to the standard output.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        found = problem(given["name"], run(given["name"], given["content"]))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file may raise anything
        found = failure(given["name"], error)
    if found:
        print(found, file=results)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
