"""Hold each role's defaults/main.yml and meta/argument_specs.yml equal: same names, same values.

A Jinja default is compared as text. An option that is required has no default.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

Options = dict[str, dict[str, Any]]


def load_defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults" / "main.yml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def load_options(role: Path) -> Options | None:
    """Give the options of all entry points, or None when the role has no argument spec."""
    path = role / "meta" / "argument_specs.yml"
    if not path.exists():
        return None
    specs = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("argument_specs") or {}
    options: Options = {}
    for spec in specs.values():
        for name, option in (spec.get("options") or {}).items():
            options.setdefault(name, option)
    return options


def same(left: Any, right: Any) -> bool:
    """Compare as YAML would write them: 1, true and "1" all differ."""
    return json.dumps(left, sort_keys=True, default=str) == json.dumps(right, sort_keys=True, default=str)


def differences(role: Path) -> list[str]:
    defaults = load_defaults(role)
    options = load_options(role)
    if options is None:
        return ["has no meta/argument_specs.yml"]
    found = [f"{name} is in the defaults, not in the spec" for name in defaults if name not in options]
    for name, option in options.items():
        if not option.get("description"):
            found.append(f"{name} has no description in the spec")
        if not option.get("type"):
            found.append(f"{name} has no type in the spec")
        if option.get("required"):
            if name in defaults:
                found.append(f"{name} is required by the spec and has a default")
        elif name not in defaults:
            found.append(f"{name} is in the spec, not in the defaults")
        elif not same(defaults[name], option.get("default")):
            found.append(
                f"{name} is {defaults[name]!r} in the defaults and {option.get('default')!r} in the spec"
            )
    return found


def roles(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if (path / "tasks").is_dir() or (path / "defaults").is_dir()
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("roles"))
    folder = parser.parse_args().folder
    messages = [f"{role.name}: {message}" for role in roles(folder) for message in differences(role)]
    for message in messages:
        print(message, file=sys.stderr)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
