# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: Airflow options, and variables of the environment, as systemd reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Options = Mapping[str, Mapping[str, Any]]

SECTION = re.compile(r"[a-z][a-z0-9_.]*")
OPTION = re.compile(r"[a-z][a-z0-9_]*")
# Inside double quotes systemd unescapes exactly these (systemd.exec(5), EnvironmentFile=).
QUOTED = re.compile(r'(["\\`$])')
# systemd ignores a variable that holds one of these.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the units of the services and systemd set, and Airflow for itself.
TAKEN = {
    *("AIRFLOW_CONFIG", "AIRFLOW_HOME", "PATH", "_AIRFLOW_PROCESS_CONTEXT"),
    *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
}
OPTION_VARIABLE = "AIRFLOW__"


def kind(value: Any) -> str:
    """Return the type of ``value`` in the words of YAML."""
    for types, name in ((bool, "boolean"), ((int, float), "number"), (str, "string"), (Sequence, "list")):
        if isinstance(value, types):
            return name
    return "null" if value is None else "mapping"


def config_errors(config: Any) -> list[str]:
    """Return what is wrong with ``config``.

    :param config: meant to be ``{section: {option: value}}``
    :returns: one sentence for each error; empty if there is none
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
            errors += [
                f"option '{name}' in section '{section}' holds a control character"
                for name, value in options.items()
                if CONTROL.search(option_text(value))
            ]
    return errors


def option_text(value: Any) -> str:
    """Return an option's value as Airflow reads it: booleans as words, mappings and lists as JSON."""
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return str(value)


def merged(layers: Iterable[Options]) -> dict[str, dict[str, Any]]:
    """Return the options of all ``layers``; a later layer wins, option by option, and mappings are merged."""
    result: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, options in layer.items():
            known = result.setdefault(section, {})
            for name, value in options.items():
                before = known.get(name)
                both = isinstance(before, Mapping) and isinstance(value, Mapping)
                known[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    return result


def readable_sections(name: str, services: Mapping[str, Mapping[str, Any]], config: Options) -> set[str]:
    """Return the sections of ``config`` that the service ``name`` reads.

    :param name: a key of ``services``
    :param services: the table of services; ``sections`` of a row are those that its service reads. A section
        that no row lists is read by each service that has the options ``airflow``
    :param config: ``{section: {option: value}}``
    """
    listed = {section for row in services.values() for section in row["sections"]}
    own = set(services[name]["sections"])
    unlisted = set(config) - listed if "airflow" in services[name]["options"] else set()
    return (set(config) & own) | unlisted


def environment(config: Options) -> str:
    """Return Airflow options as the lines of a systemd ``EnvironmentFile``.

    :param config: ``{section: {option: value}}``; an option that is ``None`` is left out
    :raises ValueError: see :func:`config_errors`
    """
    if errors := config_errors(config):
        raise ValueError("; ".join(errors))
    lines = []
    for section in sorted(config):
        for option, value in sorted(config[section].items()):
            if value is None:
                continue
            name = f"{OPTION_VARIABLE}{section.replace('.', '_')}__{option}".upper()
            lines.append(assignment(name, value))
    return "".join(lines) or "\n"


def assignment(name: str, value: Any) -> str:
    """Return a line of a systemd ``EnvironmentFile``."""
    return f'{name}="' + QUOTED.sub(r"\\\1", option_text(value)) + '"\n'


def variable_errors(sources: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with variables of the environment, without their values.

    :param sources: by the name of each variable of the inventory, meant to be ``{name: value}``
    :returns: one sentence for each error; empty if there is none
    """
    errors = []
    for source, variables in sources.items():
        if not isinstance(variables, Mapping):
            errors.append(f"{source} must be a mapping of names, is a {kind(variables)}")
            continue
        found = {name: variable_problem(str(name), value) for name, value in variables.items()}
        errors += [f"'{name}' of {source} {problem}" for name, problem in found.items() if problem]
    return errors


def variable_problem(name: str, value: Any) -> str | None:
    """Return what keeps a service from getting a variable, if something does."""
    if not VARIABLE.fullmatch(name):
        return "is not a name of letters, digits and '_'"
    if name.upper().startswith(OPTION_VARIABLE):
        return "is an option of Airflow, which belongs into airflow_config"
    if name in TAKEN:
        return "is set by the service"
    if isinstance(value, bool):
        return "is a boolean: put the word that its readers expect into quotes"
    return "holds a control character" if CONTROL.search(option_text(value)) else None


def merged_variables(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return variables of the environment as a process gets them; a later source wins, name by name.

    :param sources: ``{name: value}`` each; a value that is ``None`` removes the name
    :raises ValueError: see :func:`variable_errors`
    """
    if errors := variable_errors(sources):
        raise ValueError("; ".join(errors))
    result = {name: value for variables in sources.values() for name, value in variables.items()}
    return {name: option_text(value) for name, value in result.items() if value is not None}


def variables_file(variables: Mapping[str, str]) -> str:
    """Return variables of the environment as the lines of a systemd ``EnvironmentFile``."""
    return "".join(assignment(name, value) for name, value in sorted(variables.items()))


def service_environment(
    services: Mapping[str, Mapping[str, Any]],
    name: str,
    options: Mapping[str, Options],
    *overrides: Options,
) -> str:
    """Return the options of one service as the lines of a systemd ``EnvironmentFile``.

    :param services: the table of services
    :param name: a key of ``services``
    :param options: sets of options by name; the service gets those that its row lists in ``options``
    :param overrides: options that win over them, the last one most
    :raises ValueError: see :func:`environment`
    """
    row = services[name]
    config = merged([*(options[key] for key in row["options"]), row.get("config") or {}, *overrides])
    return environment({section: config[section] for section in readable_sections(name, services, config)})


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {
            "config_errors": config_errors,
            "merged_variables": merged_variables,
            "service_environment": service_environment,
            "variable_errors": variable_errors,
            "variables_file": variables_file,
        }
