"""Generate docs/variables.md and the end of each role's README.md from the argument specs of the roles.

docs/variables.md has the variables that users can set. All of those have a default, so an entry point with a
required option is one that playbooks and roles call with parameters: its options are in the README only.
A role without an argument spec has a README.md that is written by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import check_specs
from antsibull_docs_parser import dom
from antsibull_docs_parser.md import MDFormatter, to_md
from antsibull_docs_parser.parser import Context, Whitespace, parse

COLLECTION = "lakehouse.airflow"
MARKER = "<!-- options: generated from meta/argument_specs.yml by make docs -->"
HEAD = """\
# Variables

<!-- Generated from the argument specs of the roles: edit those, then run `make docs`. -->

Set these in the inventory, for all hosts, a group or a host. All have a default. They are checked before
anything changes. A default in `{{ }}` is evaluated for each host.
"""


class Markdown(MDFormatter):
    """Markdown that also reads well unrendered: code in backticks, and only what a table needs is escaped."""

    def format_text(self, part: dom.TextPart) -> str:
        text = part.text
        for character in "\\|<*`[":
            text = text.replace(character, f"\\{character}")
        return text

    def format_code(self, part: dom.CodePart) -> str:
        return code(part.text)

    def format_env_variable(self, part: dom.EnvVariablePart) -> str:
        return code(part.name)

    def format_option_name(self, part: dom.OptionNamePart, url: str | None) -> str:  # noqa: ARG002
        return code(part.name if part.value is None else f"{part.name}={part.value}")

    def format_option_value(self, part: dom.OptionValuePart) -> str:
        return code(part.value)

    def format_module(self, part: dom.ModulePart, url: str | None) -> str:  # noqa: ARG002
        return code(part.fqcn)

    def format_plugin(self, part: dom.PluginPart, url: str | None) -> str:  # noqa: ARG002
        return code(part.plugin.fqcn)


def code(value: Any) -> str:
    """Return a value as code that a table can hold."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    fence = "``" if "`" in text else "`"
    return f"{fence}{' '.join(text.split())}{fence}".replace("|", "\\|")


def markdown(description: str | list[str], role: str, entry_point: str) -> str:
    """Return a description in Ansible's markup as one line of Markdown."""
    plugin = dom.PluginIdentifier(fqcn=f"{COLLECTION}.{role}", type="role")
    paragraphs = parse(
        description,
        Context(current_plugin=plugin, role_entrypoint=entry_point),
        errors="exception",
        whitespace=Whitespace.STRIP,
    )
    return to_md(paragraphs, formatter=Markdown(), par_sep=" ", current_plugin=plugin)


def type_of(option: check_specs.Option) -> str:
    name = str(option["type"])
    if option.get("elements"):
        name += f" of {option['elements']}"
    if option.get("choices"):
        name += ": " + ", ".join(code(choice) for choice in option["choices"])
    return name


def default_of(option: check_specs.Option) -> str:
    default = option.get("default")
    if option.get("required"):
        return "required"
    # The description says how a default with internal variables is found.
    if check_specs.is_jinja(default) and "__" in str(default):
        return "computed"
    return "" if default is None else code(default)


def rows(options: check_specs.Options, role: str, entry_point: str, parent: str = "") -> list[str]:
    """Return a table row for each option, followed by those of the options nested in it."""
    found = []
    for name, option in options.items():
        path = parent + name
        description = markdown(option["description"], role, entry_point)
        found.append(f"| `{path}` | {type_of(option)} | {default_of(option)} | {description} |")
        separator = "[]." if option["type"] == "list" else "."
        found += rows(option.get("options") or {}, role, entry_point, path + separator)
    return found


def table(options: check_specs.Options, role: str, entry_point: str) -> list[str]:
    return [
        "| variable | type | default | description |",
        "|---|---|---|---|",
        *rows(options, role, entry_point),
    ]


def documented_entry_points(role: Path) -> check_specs.EntryPoints:
    """Return the entry points with the defaults that a spec cannot hold."""
    defaults = check_specs.load_defaults(role)
    entry_points = check_specs.load_entry_points(role)
    for spec in entry_points.values():
        spec["options"] = {
            name: {"default": defaults.get(name)} | option for name, option in spec["options"].items()
        }
    return entry_points


def is_internal(spec: dict[str, Any]) -> bool:
    return any(option.get("required") for option in spec["options"].values())


def variables_page(directory: Path) -> str:
    """Return docs/variables.md."""
    parts = [HEAD]
    for role in check_specs.roles(directory):
        lines: list[str] = []
        seen: set[str] = set()
        for entry_point, spec in documented_entry_points(role).items():
            if not is_internal(spec):
                options = {name: value for name, value in spec["options"].items() if name not in seen}
                seen |= options.keys()
                lines += rows(options, role.name, entry_point)
        if lines:
            head = table({}, role.name, "")
            parts.append("\n".join([f"## {role.name}", "", *head, *lines, ""]))
    return "\n".join(parts)


def readme_options(role: Path) -> str:
    """Return the generated part of a role's README.md: entry points with the same options share a table."""
    entry_points = documented_entry_points(role)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, spec in entry_points.items():
        groups.setdefault(tuple(spec["options"]), []).append(name)
    parts = []
    for names in groups.values():
        lines = [
            f"## Entry point{'s' if len(names) > 1 else ''} {', '.join(f'`{name}`' for name in names)}",
            "",
        ]
        for name in names:
            spec = entry_points[name]
            short = markdown(spec.get("short_description", ""), role.name, name)
            description = markdown(spec.get("description", ""), role.name, name)
            lines.append(f"- `{name}`: {short}. {description}".rstrip())
        options = entry_points[names[0]]["options"]
        lines += ["", *(table(options, role.name, names[0]) if options else ["No variables."]), ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def readme(role: Path) -> str:
    """Return a role's README.md: what is written by hand above the marker stays."""
    path = role / "README.md"
    if path.exists():
        head = path.read_text(encoding="utf-8").partition(MARKER)[0].rstrip()
    else:
        description = check_specs.load(role / "meta" / "main.yml")["galaxy_info"]["description"]
        head = f"# {role.name}\n\n{description.rstrip('.')}."
    return f"{head}\n\n{MARKER}\n\n{readme_options(role)}"


def pages(root: Path) -> dict[Path, str]:
    """Return the content of every generated file by its path."""
    roles = root / "roles"
    return {root / "docs" / "variables.md": variables_page(roles)} | {
        role / "README.md": readme(role)
        for role in check_specs.roles(roles)
        if check_specs.load_entry_points(role)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when a file is stale")
    check = parser.parse_args().check
    stale = {
        path: content
        for path, content in pages(Path()).items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    }
    for path, content in stale.items():
        if check:
            print(f"{path} is stale: run `make docs`.", file=sys.stderr)
        else:
            path.write_text(content, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
