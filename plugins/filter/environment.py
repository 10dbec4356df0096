"""Filter plugins: Airflow options as environment variables for systemd."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

SECTION = re.compile(r"[a-z][a-z0-9_.]*")
OPTION = re.compile(r"[a-z][a-z0-9_]*")
# Inside double quotes systemd unescapes exactly these (systemd.exec(5), EnvironmentFile=).
QUOTED = re.compile(r'(["\\`$])')


def kind(value: Any) -> str:
    """Name the type of ``value`` in the words of YAML."""
    for types, name in ((bool, "boolean"), ((int, float), "number"), (str, "string"), (Sequence, "list")):
        if isinstance(value, types):
            return name
    return "null" if value is None else "mapping"


def config_errors(config: Any) -> list[str]:
    """Say what is wrong with the shape of ``config``.

    :param config: meant to be ``{section: {option: value}}``
    :returns: one sentence a fault; empty if there is none
    """
    if not isinstance(config, Mapping):
        return [f"must be a mapping of sections, is a {kind(config)}"]
    errors = []
    for section, options in config.items():
        if not SECTION.fullmatch(str(section)):
            errors.append(f"section '{section}' is not a lower-case Airflow section name")
        elif not isinstance(options, Mapping):
            errors.append(f"section '{section}' must be a mapping of options, is a {kind(options)}")
        else:
            errors += [
                f"option '{name}' in section '{section}' is not a lower-case Airflow option name"
                for name in options
                if not OPTION.fullmatch(str(name))
            ]
    return errors


def option_text(value: Any) -> str:
    """Write an option's value as Airflow reads it: booleans as words, mappings and lists as JSON."""
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return str(value)


def environment(config: Mapping[str, Mapping[str, Any]], ignore: Sequence[str] = ()) -> str:
    """Write Airflow options as the lines of a systemd ``EnvironmentFile``.

    :param config: ``{section: {option: value}}``; an option that is ``None`` is left out
    :param ignore: sections to leave out
    :raises ValueError: ``config`` is ill-shaped, or a value holds a NUL
    """
    if errors := config_errors(config):
        raise ValueError("; ".join(errors))
    lines = []
    for section in sorted(set(config) - set(ignore)):
        for option, value in sorted(config[section].items()):
            if value is None:
                continue
            text = option_text(value)
            if "\0" in text:
                raise ValueError(f"option '{option}' in section '{section}' holds a NUL character")
            name = f"AIRFLOW__{section.replace('.', '_')}__{option}".upper()
            lines.append(f'{name}="' + QUOTED.sub(r"\\\1", text) + '"')
    return "\n".join(lines) + "\n"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Map filter names to functions."""
        return {"environment": environment, "config_errors": config_errors}
