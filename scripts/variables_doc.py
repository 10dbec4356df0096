"""Write docs/variables.md from the roles' argument specs; with --check, say whether it is up to date."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import check_specs

HEAD = """# Variables

<!-- Generated from the roles' argument specs: edit those, then run `make docs`. -->
"""


def text(value: Any) -> str:
    """Make a description one line that a table can hold."""
    lines = value if isinstance(value, list) else [value]
    return " ".join(" ".join(str(line).split()) for line in lines).replace("|", "\\|")


def code(value: Any) -> str:
    if value is None:
        return ""
    shown = value if isinstance(value, str) and value else json.dumps(value)
    return f"`{' '.join(shown.split())}`".replace("|", "\\|")


def kind(option: dict[str, Any]) -> str:
    name = str(option.get("type", "str"))
    if option.get("elements"):
        name += f" of {option['elements']}"
    if option.get("choices"):
        name += ": " + ", ".join(code(choice) for choice in option["choices"])
    return name


def table(options: check_specs.Options) -> list[str]:
    rows = ["| variable | type | default | |", "|---|---|---|---|"]
    for name, option in options.items():
        default = "required" if option.get("required") else code(option.get("default"))
        rows.append(f"| `{name}` | {kind(option)} | {default} | {text(option.get('description', ''))} |")
    return rows


def render(folder: Path) -> str:
    parts = [HEAD]
    for role in check_specs.roles(folder):
        options = check_specs.load_options(role)
        if options:
            parts.append("\n".join([f"## {role.name}", "", *table(options), ""]))
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when the page is stale")
    check = parser.parse_args().check
    page = Path("docs/variables.md")
    wanted = render(Path("roles"))
    if page.exists() and page.read_text(encoding="utf-8") == wanted:
        return 0
    if check:
        print(f"{page} is stale: run `make docs`.", file=sys.stderr)
        return 1
    page.parent.mkdir(exist_ok=True)
    page.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
