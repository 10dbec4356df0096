#!/usr/bin/python
# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: one systemd service with its files."""

from __future__ import annotations

# ansible-test demands the documentation above the imports, and a module that is not executable.
# ruff: noqa: E402, EXE001
DOCUMENTATION = r"""
module: systemd_unit
short_description: Manage a systemd service with its files
description:
  - Writes the files of a service, its unit file and environment file among them, enables and starts it.
  - Restarts it, once, if it was started before one of them was last written. So a run that was interrupted
    between writing and restarting is completed by the next one.
  - Takes one call where M(ansible.builtin.template) and M(ansible.builtin.systemd_service) would take five.
options:
  name:
    description: Name of the unit, with its C(.service).
    type: str
    required: true
  unit:
    description: >-
      Content of the unit file, which is written to C(/etc/systemd/system) with mode 0644. Without it, the
      unit is that of a package.
    type: str
  environment_file:
    description: Path of the environment file, which only root may read.
    type: path
  environment:
    description: Content of the environment file.
    type: str
  files:
    description: Further files that the service reads when it starts, none of which holds a secret.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the file. Its directory is created, with mode 0755, unless it exists.
        type: path
        required: true
      content:
        description: Content of the file.
        type: str
        required: true
      owner:
        description: User that owns the file.
        type: str
        default: root
      group:
        description: Group that owns the file.
        type: str
        default: root
      mode:
        description: Mode of the file, as an octal number in quotes.
        type: str
        default: "0644"
  secret_files:
    description: >-
      Such files that hold a secret, as their contents by their paths. Root and O(secret_group) may read them,
      and no log or difference shows what is in them.
    type: dict
    default: {}
  secret_group:
    description: Group that may read O(secret_files).
    type: str
    default: root
  restart:
    description: >-
      Whether a running service is restarted where it has to be. One that does not run is started anyway.
    type: bool
    default: true
attributes:
  check_mode:
    description: Reports what would change.
    support: full
  diff_mode:
    description: >-
      Shows the changes of all files. Of those with a secret, it shows that they change; of the environment
      file, it shows the names of the variables that change, with the values of those of Airflow's options
      that cannot hold a secret.
    support: full
author: lakehouse.airflow maintainers (@lakehouse-airflow)
"""

EXAMPLES = r"""
- name: Run a service
  lakehouse.airflow.systemd_unit:
    name: example.service
    unit: "{{ lookup('ansible.builtin.template', 'example.service.j2') }}"
    environment_file: /etc/example.env
    environment: |
      EXAMPLE_PORT="8000"

- name: Configure and start the service of a package
  lakehouse.airflow.systemd_unit:
    name: example.service
    files:
      - path: /etc/systemd/system/example.service.d/restart.conf
        content: "{{ lookup('ansible.builtin.file', 'restart.conf', rstrip=false) }}"
"""

RETURN = r"""
restarted:
  description: Whether the service was started or restarted.
  returned: always
  type: bool
restart_needed:
  description: Whether the service still has to be restarted, because O(restart) is false.
  returned: always
  type: bool
instances:
  description: >-
    Names of the instances of the unit that have a unit file in C(/etc/systemd/system), in alphabetical order:
    V(gpu) for C(example@gpu.service), where the unit is C(example.service).
  returned: always
  type: list
  elements: str
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

UNITS = Path("/etc/systemd/system")
PROPERTIES = ("ActiveState", "ExecMainStartTimestamp", "NeedDaemonReload", "UnitFileState")
# A value in quotes may have several lines; what looks like a name in one is none.
VARIABLE = re.compile(r'^(?P<name>\w+)=(?P<value>"(?:\\.|[^"\\])*"|[^\n]*)$', re.MULTILINE | re.DOTALL)
# Names of Airflow's options whose value is, or may hold, a secret.
SECRET = re.compile("PASS|SECRET|TOKEN|KEY|AUTH|CONN|URL|BACKEND|KWARGS|DSN|CREDENTIAL", re.IGNORECASE)


def parse_properties(text: str) -> dict[str, str]:
    """Return the output of ``systemctl show`` as a mapping."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def runs(properties: dict[str, str]) -> bool:
    """Return whether a service runs, or is about to."""
    return properties.get("ActiveState") in {"active", "activating", "reloading"}


def needs_start(properties: dict[str, str], written: float) -> bool:
    """Return whether a service has to be started or restarted.

    :param properties: of the unit, with the start as ``@<Unix time>``
    :param written: Unix time in seconds at which the newer of its files was written
    """
    if not runs(properties):
        return True
    started = properties.get("ExecMainStartTimestamp", "").lstrip("@")
    # A service between two attempts to start reads its files at the next one.
    return started.isdigit() and int(started) < int(written)


def changed_lines(before: str, after: str) -> tuple[str, str]:
    """Return the variables of an environment file that change, before and after, without secrets."""

    def variables(text: str) -> dict[str, str]:
        return {match["name"]: match["value"] for match in VARIABLE.finditer(text)}

    def lines(found: dict[str, str], other: dict[str, str], mask: str) -> str:
        changed = {name: value for name, value in found.items() if other.get(name) != value}
        return "".join(f"{name}={mask if is_secret(name) else value}\n" for name, value in changed.items())

    old, new = variables(before), variables(after)
    return lines(old, new, "(hidden)"), lines(new, old, "(hidden, changed)")


def is_secret(name: str) -> bool:
    """Return whether a variable is, or may hold, a secret, as each does that is no option of Airflow."""
    return not name.startswith("AIRFLOW__") or bool(SECRET.search(name))


def changed_secret(before: str, after: str) -> tuple[str, str]:
    """Return what a difference may show of a file that holds a secret: that it changes."""
    return ("(hidden)\n", "(hidden, changed)\n") if before != after else ("", "")


def instances(name: str, directory: Path) -> list[str]:
    """Return the names of the instances of a unit with a unit file in a directory, sorted."""
    prefix = f"{name.removesuffix('.service')}@"
    return sorted(path.stem.removeprefix(prefix) for path in directory.glob(f"{prefix}?*.service"))


def read(path: Path) -> str:
    """Return the content of a file, empty if there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write(module: AnsibleModule, file: dict[str, Any]) -> bool:
    """Write a file unless it is there; return whether it was not.

    :param file: ``path``, ``content``, ``owner``, ``group`` and ``mode``
    """
    path = Path(file["path"])
    changed = not path.exists() or read(path) != file["content"]
    if changed and not module.check_mode:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not path.exists():
            # A new file must not be readable by others before it has its mode.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with tempfile.NamedTemporaryFile("w", dir=module.tmpdir, delete=False, encoding="utf-8") as stream:
            stream.write(file["content"])
        module.atomic_move(stream.name, str(path))
    if not path.exists():
        return True
    attributes = module.load_file_common_arguments(
        {key: file[key] for key in ("owner", "group", "mode")} | {"path": str(path)}
    )
    return bool(module.set_fs_attributes_if_different(attributes, changed))


def systemctl(module: AnsibleModule, *arguments: str) -> str:
    """Run ``systemctl`` and return its output; a failure ends the module with the journal of the unit."""
    status, output, error = module.run_command(["systemctl", *arguments])
    if status != 0:
        journal = module.run_command(
            ["journalctl", "--no-pager", "--lines=30", "--unit", module.params["name"]]
        )[1]
        module.fail_json(
            msg=f"systemctl {' '.join(arguments)} failed: {error.strip() or output.strip()}", journal=journal
        )
    return str(output)


def managed_files(module: AnsibleModule) -> tuple[list[dict[str, Any]], list[tuple[str, str, str]]]:
    """Return the files of the service, and of each its path and what to show of it, before and after."""
    files, root = list(module.params["files"]), {"owner": "root", "group": "root"}
    if module.params["unit"] is not None:
        files.append(
            root
            | {"path": str(UNITS / module.params["name"]), "content": module.params["unit"], "mode": "0644"}
        )
    diffs = [(file["path"], read(Path(file["path"])), file["content"]) for file in files]
    for path, content in module.params["secret_files"].items():
        secret = {"path": path, "content": content, "group": module.params["secret_group"]}
        files.append(secret | {"owner": "root", "mode": "0640"})
        diffs.append((path, *changed_secret(read(Path(path)), content)))
    if module.params["environment_file"] is not None:
        path, content = module.params["environment_file"], module.params["environment"]
        files.append(root | {"path": path, "content": content, "mode": "0600"})
        diffs.append((path, *changed_lines(read(Path(path)), content)))
    return files, diffs


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "unit": {"type": "str"},
            "environment_file": {"type": "path"},
            "environment": {"type": "str", "no_log": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            # A mapping: of a list of mappings, Ansible's log would show the contents, or hide the paths too.
            "secret_files": {"type": "dict", "default": {}, "no_log": True},
            "secret_group": {"type": "str", "default": "root", "no_log": False},
            "restart": {"type": "bool", "default": True},
        },
        required_together=[("environment_file", "environment")],
        supports_check_mode=True,
    )
    name = module.params["name"]
    files, diffs = managed_files(module)
    changed = False
    for file in files:
        changed |= write(module, file)
    written_now = changed

    def show() -> dict[str, str]:
        return parse_properties(
            systemctl(module, "show", "--timestamp=unix", "--property", ",".join(PROPERTIES), name)
        )

    properties = show()
    if properties["NeedDaemonReload"] == "yes" or (changed and not module.check_mode):
        if not module.check_mode:
            systemctl(module, "daemon-reload")
            properties = show()
        changed = True
    if properties["UnitFileState"] != "enabled":
        if not module.check_mode:
            systemctl(module, "enable", "--quiet", name)
        changed = True
    paths = [Path(file["path"]) for file in files]
    written = max((path.stat().st_mtime for path in paths if path.exists()), default=0)
    # Times have whole seconds: what was written just now is newer in any case.
    needed = written_now or needs_start(properties, written)
    restart = needed and (module.params["restart"] or not runs(properties))
    if restart and not module.check_mode:
        systemctl(module, "restart", name)

    module.exit_json(
        changed=changed or restart,
        restarted=restart,
        restart_needed=needed and not restart,
        instances=instances(name, UNITS),
        diff=[
            {"before": before, "after": after, "before_header": path, "after_header": path}
            for path, before, after in diffs
            if before != after
        ],
    )


if __name__ == "__main__":
    main()
