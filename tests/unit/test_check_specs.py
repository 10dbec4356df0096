from __future__ import annotations

from typing import TYPE_CHECKING

import check_specs
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def role(tmp_path: Path) -> Path:
    folder = tmp_path / "roles" / "example"
    (folder / "defaults").mkdir(parents=True)
    (folder / "meta").mkdir()
    return folder


def write(role: Path, defaults: str, options: str) -> list[str]:
    (role / "defaults" / "main.yml").write_text(defaults, encoding="utf-8")
    indented = "".join(f"      {line}\n" for line in options.splitlines())
    (role / "meta" / "argument_specs.yml").write_text(
        f"argument_specs:\n  main:\n    options:\n{indented}", encoding="utf-8"
    )
    return check_specs.differences(role)


def test_equal_role_has_no_differences(role: Path) -> None:
    assert write(role, "a: 1", "a: {type: int, default: 1, description: A}") == []


def test_jinja_default_is_compared_as_text(role: Path) -> None:
    option = "a: {type: str, default: '{{ b }}', description: A}"
    assert write(role, "a: '{{ b }}'", option) == []
    assert write(role, "a: '{{ c }}'", option) != []


@pytest.mark.parametrize(
    ("defaults", "options", "message"),
    [
        ("a: 1\nb: 2", "a: {type: int, default: 1, description: A}", "b is in the defaults, not in the spec"),
        ("{}", "a: {type: int, default: 1, description: A}", "a is in the spec, not in the defaults"),
        ("a: 2", "a: {type: int, default: 1, description: A}", "a is 2 in the defaults and 1 in the spec"),
        (
            "a: 1",
            "a: {type: bool, default: true, description: A}",
            "a is 1 in the defaults and True in the spec",
        ),
        (
            "a: 1",
            "a: {type: int, required: true, description: A}",
            "a is required by the spec and has a default",
        ),
        ("a: 1", "a: {type: int, default: 1}", "a has no description in the spec"),
        ("a: 1", "a: {default: 1, description: A}", "a has no type in the spec"),
    ],
)
def test_difference_is_named(role: Path, defaults: str, options: str, message: str) -> None:
    assert message in write(role, defaults, options)


def test_required_option_needs_no_default(role: Path) -> None:
    assert write(role, "{}", "a: {type: str, required: true, description: A}") == []


def test_role_without_spec_is_named(role: Path) -> None:
    assert check_specs.differences(role) == ["has no meta/argument_specs.yml"]
