"""DAG files that cannot be imported are named with file and line, by the Airflow that the hosts run."""

from __future__ import annotations

from pathlib import Path

from checks import run_check

SCRIPT = Path(__file__).resolve().parents[1] / "files" / "check_imports.py"
GOOD = "from airflow.sdk import DAG\nwith DAG('good', schedule=None):\n    pass\n"


def check(directory: Path, **files: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines of the check of DAG files with this content."""
    for name, content in files.items():
        (directory / f"{name}.py").write_text(content, encoding="utf-8")
    return run_check(SCRIPT, directory, {"LAB_NAME": 'of the "environment"\n'})


def test_dags_that_can_be_imported_pass(tmp_path: Path) -> None:
    assert check(tmp_path, good=GOOD) == (0, [])


def test_each_import_error_has_file_and_line(tmp_path: Path) -> None:
    helper = "\nx = 1 / 0\n"
    code, lines = check(
        tmp_path,
        good=GOOD,
        helper=helper,
        missing="from airflow.sdk import DAG\nimport no_such_module\n",
        syntax="from airflow.sdk import DAG\ndef broken(:\n",
        uses_helper="from airflow.sdk import DAG\nimport helper\n",
    )
    assert code == 1
    assert lines == [
        "missing.py:2: ModuleNotFoundError: No module named 'no_such_module'",
        "syntax.py:2: SyntaxError: invalid syntax",
        "uses_helper.py: helper.py:2: ZeroDivisionError: division by zero",
    ]


def test_dag_files_see_the_environment_of_the_services(tmp_path: Path) -> None:
    reads = """import os\nassert os.environ["LAB_NAME"] == 'of the "environment"\\n'\n"""
    assert check(tmp_path, reads=f"from airflow.sdk import DAG\n{reads}") == (0, [])
