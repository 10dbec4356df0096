from __future__ import annotations

from typing import TYPE_CHECKING

import check_specs
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def role(tmp_path: Path) -> Path:
    directory = tmp_path / "roles" / "example"
    (directory / "defaults").mkdir(parents=True)
    (directory / "meta").mkdir()
    return directory


def write(role: Path, defaults: str, *entry_points: str) -> list[str]:
    """Write a role, whose entry points have these options, and return its differences."""
    (role / "defaults" / "main.yml").write_text(defaults, encoding="utf-8")
    spec = "argument_specs:\n"
    for number, options in enumerate(entry_points):
        indented = "".join(f"      {line}\n" for line in options.splitlines())
        spec += f"  entry{number}:\n    short_description: S\n    description: D\n    options:\n{indented}"
    (role / "meta" / "argument_specs.yml").write_text(spec, encoding="utf-8")
    return check_specs.differences(role)


def test_equal_role_has_no_differences(role: Path) -> None:
    assert write(role, "a: 1", "a: {type: int, default: 1, description: A}") == []


def test_jinja_default_is_compared_as_text_or_left_out(role: Path) -> None:
    option = "a: {type: str, default: '{{ b }}', description: A}"
    assert write(role, "a: '{{ b }}'", option) == []
    assert write(role, "a: '{{ c }}'", option) != []
    assert write(role, "a: '{{ b }}'", "a: {type: str, description: A}") == []


def test_jinja_default_of_another_type_is_not_in_the_spec(role: Path) -> None:
    assert write(role, "a: '{{ b }}'", "a: {type: int, description: A}") == []
    assert write(role, "a: '{{ b }}'", "a: {type: int, default: '{{ b }}', description: A}") == [
        "a is not text, so the spec cannot have a Jinja default"
    ]


@pytest.mark.parametrize(
    ("defaults", "options", "message"),
    [
        ("a: 1\nb: 2", "a: {type: int, default: 1, description: A}", "b is in the defaults, not in the spec"),
        ("{}", "a: {type: int, default: 1, description: A}", "a is in the spec, not in the defaults"),
        ("a: 2", "a: {type: int, default: 1, description: A}", "a is 2 in the defaults and 1 in the spec"),
        ("a: 2", "a: {type: int, description: A}", "a is 2 in the defaults and None in the spec"),
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
        (
            "a: {}",
            "a: {type: dict, default: {}, description: A, options: {b: {type: int}}}",
            "a.b has no description in the spec",
        ),
    ],
)
def test_difference_is_named(role: Path, defaults: str, options: str, message: str) -> None:
    assert message in write(role, defaults, options)


def test_required_option_needs_no_default(role: Path) -> None:
    assert write(role, "{}", "a: {type: str, required: true, description: A}") == []


def test_internal_names_are_left_out(role: Path) -> None:
    assert write(role, "__a: 1", "__b: {type: str}") == []


def test_entry_points_agree(role: Path) -> None:
    option = "a: {type: int, default: 1, description: A}"
    assert write(role, "a: 1", option, option) == []
    assert write(role, "a: 1", option, option.replace("int", "str")) == ["a differs between the entry points"]


def test_role_without_spec_has_no_defaults(role: Path) -> None:
    assert check_specs.differences(role) == []
    (role / "defaults" / "main.yml").write_text("a: 1", encoding="utf-8")
    assert check_specs.differences(role) == ["has no meta/argument_specs.yml"]


def test_a_role_that_links_to_the_defaults_of_another_is_left_out(role: Path) -> None:
    link = role.parent / "linked"
    link.mkdir()
    (link / "defaults").symlink_to(role / "defaults")
    assert check_specs.roles(role.parent) == [role]
