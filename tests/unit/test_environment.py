"""airflow_environment of all hosts, of groups and of a host together reach what runs code of users."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from lookup.secret import GENERATORS
from testlib.ansible_commands import run_command
from testlib.cluster import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

ROLES = PROJECT / "roles"
SERVICES = [
    "scheduler",
    "dag-processor",
    "triggerer",
    "api-server",
    "worker",
    "flower",
    "worker-monitor",
    "cli",
]
RUN_USER_CODE = {"dag-processor", "triggerer", "worker", "cli"}
VARIABLES: dict[str, Any] = {
    "airflow_environment": {"LAB_TEXT": 'two\nlines $HOME "', "LAB_OF": "all", "LAB_GONE": "x"},
    "airflow_environment_gpu": {"LAB_OF": "group", "LAB_NUMBER": 7},
    "airflow_environment_host": {"LAB_OF": "host", "LAB_GONE": None, "AIRFLOW_VAR_LAB": {"a": [1]}},
}
EXPECTED = {
    "AIRFLOW_VAR_LAB": r'"{\"a\":[1]}"',
    "LAB_NUMBER": '"7"',
    "LAB_OF": '"host"',
    "LAB_TEXT": '"two\nlines \\$HOME \\""',
    "UV_SYSTEM_CERTS": '"true"',
}
TEMPLATE = "lookup('ansible.builtin.template', '{}/airflow_service/templates/service.env.j2')"


def role_file(role: str, kind: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROLES / role / kind / "main.yml").read_text(encoding="utf-8")))


def environment_files(directory: Path, **variables: Any) -> dict[str, dict[str, str]]:
    """Return the variables of the environment file of each service that are no options of Airflow."""
    secrets_file = directory / "secrets.yml"
    secrets_file.touch(mode=0o600)
    secrets_file.write_text(yaml.safe_dump({name: make() for name, make in GENERATORS.items()}))
    inventory = {
        "vars": {
            **role_file("airflow", "defaults"),
            **role_file("airflow_service", "defaults"),
            "airflow_secrets_file": str(secrets_file),
            "airflow_environment": VARIABLES["airflow_environment"],
        },
        "children": {
            "gpu": {
                "vars": {"airflow_environment_gpu": VARIABLES["airflow_environment_gpu"]},
                "hosts": {
                    "node": {
                        "ansible_connection": "local",
                        "ansible_python_interpreter": sys.executable,
                        "airflow_environment_host": VARIABLES["airflow_environment_host"],
                        **variables,
                    }
                },
            }
        },
    }
    play = {
        "hosts": "node",
        "gather_facts": False,
        "vars": {"ansible_facts": {"distribution_major_version": "13"}},
        "vars_files": [
            str(PROJECT / "playbooks" / "vars" / "groups.yml"),
            str(ROLES / "airflow" / "vars" / "main.yml"),
            *(str(path) for path in sorted((ROLES / "airflow_service" / "vars" / "main").glob("*.yml"))),
        ],
        "tasks": [
            {
                "ansible.builtin.copy": {
                    "dest": f"{directory}/{{{{ item }}}}.env",
                    "content": f"{{{{ {TEMPLATE.format(ROLES)} }}}}",
                    "mode": "0600",
                },
                "loop": SERVICES,
                "vars": {"airflow_service_name": "{{ item }}", "role_path": str(ROLES / "airflow_service")},
            }
        ],
    }
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
    (directory / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    result = run_command(
        "ansible-playbook", f"--inventory={directory / 'hosts.yml'}", str(directory / "play.yml")
    )
    result.assert_success()
    assignment = re.compile(r'^((?!AIRFLOW__)\w+)=("(?:\\.|[^"\\])*")$', re.MULTILINE | re.DOTALL)
    return {
        name: dict(assignment.findall((directory / f"{name}.env").read_text(encoding="utf-8")))
        for name in SERVICES
    }


def test_the_local_settings_are_on_the_path_of_what_imports_airflow(tmp_path: Path) -> None:
    settings = tmp_path / "policies.py"
    settings.write_text("", encoding="utf-8")
    found = environment_files(
        tmp_path, airflow_local_settings=str(settings), airflow_environment_path={"PYTHONPATH": "/srv/lib"}
    )
    own = "/opt/airflow/plugins/settings-e3b0c44298fc1c14"
    assert {name: variables.get("PYTHONPATH") for name, variables in found.items()} == {
        **dict.fromkeys(SERVICES, f'"{own}"'),
        **dict.fromkeys(RUN_USER_CODE, f'"{own}:/srv/lib"'),
        "worker-monitor": None,
    }


@pytest.mark.parametrize("shared", [False, True])
def test_variables_of_all_groups_and_the_host_are_merged(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001
    found = environment_files(tmp_path, airflow_share_environment=shared)
    with_them = {name for name, variables in found.items() if variables}
    assert with_them == (set(SERVICES) if shared else RUN_USER_CODE), json.dumps(found)
    assert all(found[name] == EXPECTED for name in with_them)
