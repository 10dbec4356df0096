"""Check that defaults/main.yml and meta/argument_specs.yml of each role agree: same names, same values.

A Jinja default is compared as text; the spec may leave it out, and must for another type than text, to which
antsibull-docs converts defaults. A required option has no default. Names that start with "__" are internal.
A role without defaults needs no spec.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

Option = dict[str, Any]
Options = dict[str, Option]
EntryPoints = dict[str, dict[str, Any]]

TEXT_TYPES = ("str", "path", "raw")


def load(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file, empty if there is no file."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        return yaml.safe_load(file) or {}


def load_defaults(role: Path) -> dict[str, Any]:
    """Return the public defaults of a role."""
    defaults = load(role / "defaults" / "main.yml")
    return {name: value for name, value in defaults.items() if not name.startswith("__")}


def load_entry_points(role: Path) -> EntryPoints:
    """Return the entry points of a role's argument spec, each with its public options."""
    specs = load(role / "meta" / "argument_specs.yml").get("argument_specs") or {}
    return {
        name: spec
        | {
            "options": {
                option: value
                for option, value in (spec.get("options") or {}).items()
                if not option.startswith("__")
            }
        }
        for name, spec in specs.items()
    }


def same(left: Any, right: Any) -> bool:
    """Compare as YAML would write them: 1, true and "1" all differ."""
    return json.dumps(left, sort_keys=True, default=str) == json.dumps(right, sort_keys=True, default=str)


def is_jinja(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def incomplete(name: str, option: Option) -> list[str]:
    """Return what an option and the options nested in it lack."""
    found = [f"{name} has no {key} in the spec" for key in ("description", "type") if not option.get(key)]
    for nested, value in (option.get("options") or {}).items():
        found += incomplete(f"{name}.{nested}", value)
    return found


def default_differences(name: str, option: Option, defaults: dict[str, Any]) -> list[str]:
    if option.get("required"):
        return [f"{name} is required by the spec and has a default"] if name in defaults else []
    if name not in defaults:
        return [f"{name} is in the spec, not in the defaults"]
    default, specified = defaults[name], option.get("default")
    if is_jinja(default) and specified is None:
        return []
    if not same(default, specified):
        return [f"{name} is {default!r} in the defaults and {specified!r} in the spec"]
    if is_jinja(specified) and option.get("type") not in TEXT_TYPES:
        return [f"{name} is not text, so the spec cannot have a Jinja default"]
    return []


def differences(role: Path) -> list[str]:
    """Return one sentence for each difference between the defaults and the spec of a role."""
    defaults = load_defaults(role)
    entry_points = load_entry_points(role)
    if defaults and not entry_points:
        return ["has no meta/argument_specs.yml"]
    options: Options = {}
    found = []
    for entry_point, spec in entry_points.items():
        found += [
            f"entry point {entry_point} has no {key}"
            for key in ("short_description", "description")
            if not spec.get(key)
        ]
        for name, option in spec["options"].items():
            if not same(options.setdefault(name, option), option):
                found.append(f"{name} differs between the entry points")
    found += [f"{name} is in the defaults, not in the spec" for name in defaults if name not in options]
    for name, option in options.items():
        found += incomplete(name, option) + default_differences(name, option, defaults)
    return found


def roles(directory: Path) -> list[Path]:
    """Return the directories of the roles, sorted by name, but those that link to the defaults of another."""
    return sorted(
        path
        for path in directory.iterdir()
        if ((path / "tasks").is_dir() or (path / "defaults").is_dir())
        and not (path / "defaults").is_symlink()
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("roles"))
    directory = parser.parse_args().directory
    messages = [f"{role.name}: {message}" for role in roles(directory) for message in differences(role)]
    for message in messages:
        print(message, file=sys.stderr)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
