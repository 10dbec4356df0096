from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import spec_docs

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = """\
broker_port: 6379
broker_processes: "{{ cpus | max }}"
broker_memory: "{{ __broker_memory }}"
broker_users: []
"""
SPEC = """\
argument_specs:
  main:
    short_description: Set up the broker
    description: Changes C(broker.conf), see P(lakehouse.airflow.airflow#role).
    options: &options
      broker_port:
        type: int
        default: 6379
        description: Port, see O(broker_users[].name) and V(a|b) < 1.
      broker_processes: {type: int, description: Processes.}
      broker_memory: {type: int, description: Half of it.}
      broker_users:
        type: list
        elements: dict
        default: []
        description: [Users., More in U(https://example.org/a_b).]
        options:
          name: {type: str, choices: [one, two], required: true, description: Name.}
      __broker_hosts: {type: list, description: Internal.}
  validate:
    short_description: Check the variables
    description: Changes nothing.
    options: *options
  user:
    short_description: Create a user
    description: Called by playbooks.
    options:
      broker_user_name: {type: str, required: true, description: Name.}
"""


@pytest.fixture
def role(tmp_path: Path) -> Path:
    directory = tmp_path / "roles" / "broker"
    for path, content in (
        ("defaults/main.yml", DEFAULTS),
        ("meta/argument_specs.yml", SPEC),
        ("meta/main.yml", "galaxy_info: {description: A broker}"),
    ):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(content, encoding="utf-8")
    return directory


@pytest.fixture
def page(role: Path) -> str:
    return spec_docs.variables_page(role.parent)


def test_option_is_a_row_in_plain_markdown(page: str) -> None:
    assert "| `broker_port` | int | `6379` | Port, see `broker_users[].name` and `a\\|b` \\< 1. |" in page


def test_option_of_several_entry_points_has_one_row(page: str) -> None:
    assert page.count("`broker_port` |") == 1


def test_default_that_a_spec_cannot_hold_is_taken_from_the_defaults(page: str) -> None:
    assert "| `broker_processes` | int | `{{ cpus \\| max }}` | Processes. |" in page


def test_internal_variables_in_a_default_are_not_shown(page: str) -> None:
    assert "| `broker_memory` | int | computed | Half of it. |" in page


def test_nested_option_follows_its_parent(page: str) -> None:
    lines = page.splitlines()
    parent = next(number for number, line in enumerate(lines) if line.startswith("| `broker_users`"))
    assert lines[parent + 1] == "| `broker_users[].name` | str: `one`, `two` | required | Name. |"


def test_internal_variables_and_parameters_are_not_on_the_page(page: str) -> None:
    assert "broker_hosts" not in page
    assert "broker_user_name" not in page


def test_readme_is_created_with_all_entry_points(role: Path) -> None:
    readme = spec_docs.readme(role)
    assert readme.startswith(f"# broker\n\nA broker.\n\n{spec_docs.MARKER}\n")
    assert "## Entry points `main`, `validate`" in readme
    assert "- `main`: Set up the broker. Changes `broker.conf`, see `lakehouse.airflow.airflow`.\n" in readme
    assert "| `broker_user_name` | str | required | Name. |" in readme


def test_readme_keeps_what_is_written_by_hand(role: Path) -> None:
    path = role / "README.md"
    path.write_text("# broker\n\nBy hand.\n", encoding="utf-8")
    path.write_text(spec_docs.readme(role) + "stale\n", encoding="utf-8")
    readme = spec_docs.readme(role)
    assert readme.startswith(f"# broker\n\nBy hand.\n\n{spec_docs.MARKER}\n")
    assert "stale" not in readme


def test_readme_of_a_role_without_spec_is_written_by_hand(role: Path) -> None:
    assert role / "README.md" in spec_docs.pages(role.parent.parent)
    (role / "meta" / "argument_specs.yml").unlink()
    assert role / "README.md" not in spec_docs.pages(role.parent.parent)


def test_wrong_markup_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"O\(a:b:c\)"):
        spec_docs.markdown("See O(a:b:c).", "broker", "main")


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_check_reports_stale_files_and_changes_nothing(
    role: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    (role.parent.parent / "docs").mkdir()
    monkeypatch.chdir(role.parent.parent)
    monkeypatch.setattr("sys.argv", ["spec_docs.py", *arguments])
    assert spec_docs.main() == len(arguments)
    assert (role / "README.md").exists() != bool(arguments)
    assert ("roles/broker/README.md is stale" in capsys.readouterr().err) == bool(arguments)
