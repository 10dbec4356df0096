"""Plugins and local settings that cannot be imported are named with file and line, by the hosts' Airflow."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks import run_check

SCRIPT = Path(__file__).resolve().parents[1] / "files" / "check_plugins.py"
PLUGIN = """
from airflow.plugins_manager import AirflowPlugin

class Lab(AirflowPlugin):
    name = "lab"
"""
POLICY = "def task_policy(task):\n    task.queue = 'lab'\n"


def check(directory: Path, settings: str = "", **plugins: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines of the check."""
    for name in ("plugins", "settings", "home"):
        (directory / name).mkdir()
    for name, content in plugins.items():
        (directory / "plugins" / f"{name}.py").write_text(content, encoding="utf-8")
    if settings:
        (directory / "settings" / "airflow_local_settings.py").write_text(settings, encoding="utf-8")
    environment = {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(directory / "plugins"),
        "PYTHONPATH": str(directory / "settings"),
    }
    home = str(directory / "home")
    return run_check(SCRIPT, directory / "plugins", environment, AIRFLOW_HOME=home)


def test_what_can_be_imported_passes(tmp_path: Path) -> None:
    assert check(tmp_path, POLICY, good=PLUGIN) == (0, [])


def test_each_plugin_that_fails_has_file_and_line(tmp_path: Path) -> None:
    code, lines = check(
        tmp_path,
        good=PLUGIN,
        missing="\nimport no_such_module\n",
        syntax="\ndef broken(:\n",
        loads=PLUGIN.replace("lab", "other")
        + "\n    def on_load(*args):\n        raise ValueError('not today')\n",
    )
    assert code == 1
    assert lines == [
        "loads.py: not today",
        "missing.py:2: ModuleNotFoundError: No module named 'no_such_module'",
        "syntax.py:2: SyntaxError: invalid syntax (syntax.py, line 2)",
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("\nx = 1 / 0\n", "airflow_local_settings.py:2: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "airflow_local_settings.py:1: SystemExit: 3"),
        (
            "def task_policy(one, two):\n    pass\n",
            "airflow_local_settings.py: TypeError: missing a required argument",
        ),
    ],
)
def test_local_settings_that_fail_are_named(tmp_path: Path, settings: str, said: str) -> None:
    code, (line,) = check(tmp_path, settings, good=PLUGIN)
    assert code == 1
    assert line.startswith(said)
