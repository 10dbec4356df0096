"""Import the local settings and the plugins as the services do; exit 1 and print a line for each that fails.

usage: check_plugins.py DIRECTORY <ENVIRONMENT

DIRECTORY: that of the plugins
ENVIRONMENT: the variables of the environment that services have, as a JSON object
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

SETTINGS = "airflow_local_settings"


def problem(action: Callable[[], object], file: Path) -> str | None:
    """Return ``FILE:LINE: ERROR`` if an action fails, with the last line of the file that it has run."""
    try:
        action()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of users may raise anything
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
        ]
        if isinstance(error, SyntaxError) and error.filename == str(file):
            lines.append(error.lineno)
        place = f"{file.name}:{lines[-1]}" if lines else file.name
        return f"{place}: {type(error).__name__}: {error}"
    return None


def settings_problem() -> str | None:
    """Return what is wrong with the local settings, if there are any."""
    spec = importlib.util.find_spec(SETTINGS)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin)
    # The second import has Airflow register the policies.
    return (
        problem(lambda: importlib.import_module(SETTINGS), file)
        or problem(lambda: importlib.import_module("airflow.settings"), file)
        or problem(check_policies, file)
    )


def check_policies() -> None:
    """Raise a TypeError for a policy that Airflow would call with too few arguments."""
    settings, policies = (importlib.import_module(name) for name in (SETTINGS, "airflow.policies"))
    for name, policy in vars(settings).items():
        specified = getattr(policies, name, None)
        if inspect.isfunction(policy) and inspect.isfunction(specified):
            given = len(inspect.signature(specified).parameters)
            names = [*inspect.signature(policy).parameters]
            inspect.signature(policy).bind(*names[:given])


def plugin_problems(directory: Path) -> list[str]:
    """Return what is wrong with the plugins of a directory."""
    from airflow import plugins_manager  # noqa: PLC0415 - it reads the environment

    found = []
    for source, error in sorted(plugins_manager.get_import_errors().items()):
        name = source.replace("$PLUGINS_FOLDER", str(directory)).removeprefix(f"{directory}/")
        file = directory / name
        # Run again for the line; one that was imported has failed later.
        shown = problem(lambda file=file: runpy.run_path(str(file)), file) if file.is_file() else None
        found.append(shown.replace(file.name, name, 1) if shown else f"{name}: {error}")
    return found


def main() -> int:
    directory = Path(sys.argv[1])
    os.environ.update(json.load(sys.stdin))
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    # Airflow and what it imports print what they like: only the results go to the standard output.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    broken_settings = settings_problem()
    # Without its settings Airflow cannot be imported.
    problems = [broken_settings] if broken_settings else plugin_problems(directory)
    for line in problems:
        print(line, file=results)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
