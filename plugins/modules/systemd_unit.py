#!/usr/bin/python
# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: one systemd service with its unit file and its environment file."""

from __future__ import annotations

# ansible-test demands the documentation above the imports, and a module that is not executable.
# ruff: noqa: E402, EXE001
DOCUMENTATION = r"""
module: systemd_unit
short_description: Manage a systemd service with its unit file and its environment file
description:
  - Writes a unit file and the environment file it names, enables the service, and starts it.
  - Restarts it, once, if it was started before one of them was last written. So a run that was interrupted
    between writing and restarting is completed by the next one.
  - Takes one call where M(ansible.builtin.template) and M(ansible.builtin.systemd_service) would take five.
options:
  name:
    description: Name of the unit, with its C(.service).
    type: str
    required: true
  unit:
    description: Content of the unit file, which is written to C(/etc/systemd/system) with mode 0644.
    type: str
    required: true
  environment_file:
    description: Path of the environment file, which only root may read.
    type: path
    required: true
  environment:
    description: Content of the environment file.
    type: str
    required: true
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
    description: Shows the change of the unit file; the environment file holds secrets.
    support: partial
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
"""

import os
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

PROPERTIES = ("ActiveState", "ExecMainStartTimestamp", "NeedDaemonReload", "UnitFileState")


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


def write(module: AnsibleModule, path: Path, content: str, mode: str) -> bool:
    """Write ``content`` to ``path``, owned by root, unless it is there; return whether it was not."""
    changed = not path.exists() or path.read_text(encoding="utf-8") != content
    if changed and not module.check_mode:
        if not path.exists():
            # A new file must not be readable by others before it has its mode.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with tempfile.NamedTemporaryFile("w", dir=module.tmpdir, delete=False, encoding="utf-8") as stream:
            stream.write(content)
        module.atomic_move(stream.name, str(path))
    if not path.exists():
        return True
    attributes = module.load_file_common_arguments(
        {"path": str(path), "owner": "root", "group": "root", "mode": mode}
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


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "unit": {"type": "str", "required": True},
            "environment_file": {"type": "path", "required": True},
            "environment": {"type": "str", "required": True, "no_log": True},
            "restart": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    name, unit, environment = (module.params[key] for key in ("name", "unit", "environment"))
    unit_file, environment_file = Path("/etc/systemd/system", name), Path(module.params["environment_file"])
    before = unit_file.read_text(encoding="utf-8") if unit_file.exists() else ""

    changed = write(module, environment_file, environment, "0600")
    changed |= write(module, unit_file, unit, "0644")
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
    written = max(
        (path.stat().st_mtime for path in (unit_file, environment_file) if path.exists()), default=0
    )
    # Times have whole seconds: what was written just now is newer in any case.
    needed = written_now or needs_start(properties, written)
    restart = needed and (module.params["restart"] or not runs(properties))
    if restart and not module.check_mode:
        systemctl(module, "restart", name)

    module.exit_json(
        changed=changed or restart,
        restarted=restart,
        restart_needed=needed and not restart,
        diff={
            "before": before,
            "after": unit,
            "before_header": str(unit_file),
            "after_header": str(unit_file),
        },
    )


if __name__ == "__main__":
    main()
