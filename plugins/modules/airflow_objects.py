#!/usr/bin/python
# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: the connections, variables, pools or users of an Airflow."""

from __future__ import annotations

# ansible-test demands the documentation above the imports, and a module that is not executable.
# ruff: noqa: E402, EXE001
DOCUMENTATION = r"""
module: airflow_objects
short_description: Manage connections, variables, pools or users of Airflow
description:
  - Compares the objects of one kind with those in O(objects), and creates and updates what differs, by
    Airflow's REST API, in one request (users one by one).
  - The API masks secrets. Where an object that is listed has one, the real value comes from C(airflow KIND
    export); whether a password of a user is the one in O(objects) is found by a login.
  - Other objects are reported, and removed only with O(remove_unlisted).
options:
  kind:
    description: Kind of the objects.
    type: str
    required: true
    choices: [connections, variables, pools, users]
  objects:
    description:
      - A list of objects, each with all fields of the API, as JSON. A list by itself would have Ansible mask
        the names of the objects, too. A user may have C(null) as password, which leaves it as it is.
    type: str
    required: true
  remove_unlisted:
    description: Whether objects that are not listed are removed.
    type: bool
    default: false
  ignored:
    description: Names of objects that are neither reported nor removed.
    type: list
    elements: str
    default: []
  url:
    description: URL of the API server.
    type: str
    required: true
  ca_path:
    description: File with the certificate authorities of the API server, if they are not those of the host.
    type: path
  username:
    description: User who may do all this.
    type: str
    required: true
  password:
    description: Password of that user.
    type: str
    required: true
  timeout:
    description: Maximum time to wait for the API server, in seconds.
    type: int
    default: 60
attributes:
  check_mode:
    description: Reports what would change.
    support: full
  diff_mode:
    description: Names the objects that change and their fields, without values.
    support: full
author: lakehouse.airflow maintainers (@lakehouse-airflow)
"""

EXAMPLES = r"""
- name: Have two pools
  lakehouse.airflow.airflow_objects:
    kind: pools
    objects: "{{ pools | lakehouse.airflow.api_objects('pools') | to_json }}"
    url: http://airflow-api:8080
    username: admin
    password: "{{ airflow_admin_password }}"
  vars:
    pools:
      - {name: warehouse, slots: 4}
      - {name: mail, slots: 1}
"""

RETURN = r"""
created:
  description: Names of the objects that were created.
  returned: always
  type: list
  elements: str
updated:
  description: Names of the objects that were updated, with the fields that differed.
  returned: always
  type: dict
removed:
  description: Names of the objects that were removed.
  returned: always
  type: list
  elements: str
unlisted:
  description: Names of the objects that are there and not listed.
  returned: always
  type: list
  elements: str
"""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

Object = dict[str, Any]

# Where the API has each kind, and the field with the name of an object.
KINDS = {
    "connections": ("/api/v2/connections", "connection_id"),
    "variables": ("/api/v2/variables", "key"),
    "pools": ("/api/v2/pools", "name"),
    "users": ("/auth/fab/v1/users", "username"),
}
MASK = "***"
PAGE = 100


class ApiError(Exception):
    """The API has refused something."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def explanation(body: bytes) -> str:
    """Return what the API says is wrong, without the input that it repeats, which may be secret."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        return "no explanation"
    if isinstance(detail, list):
        return "; ".join(f"{'.'.join(map(str, item.get('loc', [])))}: {item.get('msg')}" for item in detail)
    return str(detail)


class Api:
    """A session with the API server."""

    def __init__(self, url: str, ca_path: str | None, timeout: int) -> None:
        self.url, self.ca_path, self.timeout = url, ca_path, timeout
        self.headers = {"Content-Type": "application/json", "Accept": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer.

        :raises ApiError: the status is not one of success, or the server does not answer
        """
        options = {"headers": self.headers, "ca_path": self.ca_path, "timeout": 30}
        data = None if body is None else json.dumps(body)
        try:
            with open_url(self.url + path, method=method, data=data, **options) as answer:
                return json.loads(answer.read() or "null")
        except HTTPError as error:
            message = f"{method} {path}: {error.code} {explanation(error.read())}"
            raise ApiError(message, error.code) from None
        except (OSError, ValueError) as error:
            raise ApiError(f"{method} {self.url}{path}: {error}") from None

    def token(self, username: str, password: str) -> str:
        login = {"username": username, "password": password}
        return str(self.call("POST", "/auth/token", login)["access_token"])

    def sign_in(self, username: str, password: str) -> None:
        """Sign in, once the server is there."""
        end = time.monotonic() + self.timeout
        while True:
            try:
                self.headers["Authorization"] = f"Bearer {self.token(username, password)}"
            except ApiError as error:
                if error.status == 401:
                    raise ApiError(f"the API refuses the user {username} with this password") from None
                if (error.status and error.status < 500) or time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return

    def has_password(self, username: str, password: str) -> bool:
        """Return whether a user has a password."""
        try:
            self.token(username, password)
        except ApiError as error:
            if error.status == 401:
                return False
            raise
        return True

    def all(self, kind: str) -> dict[str, Object]:
        """Return the objects of a kind by name."""
        path, name = KINDS[kind]
        found: list[Object] = []
        while True:
            answer = self.call("GET", f"{path}?limit={PAGE}&offset={len(found)}")
            found += answer[kind]
            if not answer[kind] or len(found) >= answer["total_entries"]:
                return {item[name]: item for item in found}

    def apply(self, kind: str, created: list[Object], updated: dict[str, Object], removed: list[str]) -> None:
        """Create, update and remove objects.

        :param created: those that are new
        :param updated: those that are there, by name; of users only the fields that differ
        :param removed: names
        """
        path, _name = KINDS[kind]
        if kind == "users":
            for user in created:
                self.call("POST", path, user)
            for name, fields in updated.items():
                self.call("PATCH", f"{path}/{quote(name, safe='')}", fields)
            for name in removed:
                self.call("DELETE", f"{path}/{quote(name, safe='')}")
            return
        actions: list[Object] = [
            {
                "action": "create",
                "entities": [*created, *updated.values()],
                "action_on_existence": "overwrite",
            },
            {"action": "delete", "entities": removed, "action_on_non_existence": "skip"},
        ]
        body = {"actions": [action for action in actions if action["entities"]]}
        parts = [part for part in self.call("PATCH", path, body).values() if part]
        if errors := [str(error["error"]) for part in parts for error in part["errors"]]:
            raise ApiError("; ".join(errors))


def comparable(field: str, value: Any) -> Any:
    """Return a value of a field in a form that is the same for all ways to write it."""
    if field == "roles":
        return sorted(role["name"] for role in value or [])
    if field in {"value", "extra"}:
        with contextlib.suppress(ValueError):
            value = json.loads(value) if isinstance(value, str) else value
        return json.dumps(value or None if field == "extra" else value, sort_keys=True)
    return None if value == "" else value


def differing(wanted: Object, current: Object) -> list[str]:
    """Return the fields in which an object differs from the one that is there."""
    return [
        name
        for name, value in wanted.items()
        if name in current and comparable(name, value) != comparable(name, current[name])
    ]


def exported(text: str, kind: str) -> dict[str, Object]:
    """Return the objects in the output of ``airflow KIND export``, before which there may be warnings."""
    start = 0 if text.startswith("{") else text.index("\n{") + 1
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text, start)[0]
    if kind == "connections":
        return found
    # One that is a mapping with a value has the form with a description in any case.
    return {
        key: value
        if isinstance(value, dict) and set(value) == {"value", "description"}
        else {"value": value, "description": None}
        for key, value in found.items()
    }


def reveal(
    wanted: dict[str, Object], current: dict[str, Object], export: Callable[[], dict[str, Object]]
) -> None:
    """Replace what the API has masked of the objects in ``wanted``.

    :param wanted: by name
    :param current: by name, as the API has them
    :param export: returns the objects with their secrets; called only where there is one
    """
    masked = [name for name in wanted if MASK in json.dumps(current.get(name))]
    if masked:
        real = export()
        for name in masked:
            current[name].update(real.get(name, {}))


class Plan:
    """What has to be done."""

    def __init__(self, wanted: dict[str, Object], current: dict[str, Object], ignored: list[str]) -> None:
        differences = {
            name: differing(item, current[name]) for name, item in wanted.items() if name in current
        }
        self.created = [name for name in wanted if name not in current]
        self.updated = {name: fields for name, fields in differences.items() if fields}
        self.unlisted = sorted(set(current) - set(wanted) - set(ignored))
        self.removed: list[str] = []

    def check_passwords(self, wanted: dict[str, Object], has_password: Callable[[str, str], bool]) -> None:
        """Find the users whose password is another one.

        :param wanted: the users by name
        :param has_password: whether a user has a password
        :raises ApiError: a user who does not exist yet has none
        """
        passwords = {name: user["password"] for name, user in wanted.items()}
        if without := [name for name in self.created if passwords[name] is None]:
            raise ApiError(f"users who do not exist yet need a password: {', '.join(without)}")
        for name, password in passwords.items():
            if name not in self.created and password is not None and not has_password(name, password):
                self.updated.setdefault(name, []).append("password")

    def bodies(self, kind: str, wanted: dict[str, Object]) -> dict[str, Object]:
        """Return the updates by name, of users, whose sessions a password ends, only what differs."""
        if kind != "users":
            return {name: wanted[name] for name in self.updated}
        return {
            name: {field: wanted[name][field] for field in fields} for name, fields in self.updated.items()
        }

    def diff(self) -> str:
        lines = [
            *(f"+ {name}" for name in self.created),
            *(f"~ {name}: {', '.join(fields)}" for name, fields in self.updated.items()),
            *(f"- {name}" for name in self.removed),
        ]
        return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "required": True, "choices": [*KINDS]},
            "objects": {"type": "str", "required": True, "no_log": True},
            "remove_unlisted": {"type": "bool", "default": False},
            "ignored": {"type": "list", "elements": "str", "default": []},
            "url": {"type": "str", "required": True},
            "ca_path": {"type": "path"},
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params, kind = module.params, module.params["kind"]
    wanted = {item[KINDS[kind][1]]: item for item in json.loads(params["objects"])}

    def export() -> dict[str, Object]:
        command = ["airflow", kind, "export", "-"]
        status, output, error = module.run_command(command, path_prefix="/usr/local/bin")
        if status != 0:
            module.fail_json(msg=f"{' '.join(command)} failed: {error.strip()[-1000:]}")
        return exported(output, kind)

    try:
        api = Api(params["url"], params["ca_path"], params["timeout"])
        api.sign_in(params["username"], params["password"])
        current = api.all(kind)
        if kind in {"connections", "variables"}:
            reveal(wanted, current, export)
        plan = Plan(wanted, current, params["ignored"])
        if kind == "users":
            plan.check_passwords(wanted, api.has_password)
        if params["remove_unlisted"]:
            plan.removed = plan.unlisted
        changed = bool(plan.created or plan.updated or plan.removed)
        if changed and not module.check_mode:
            api.apply(kind, [wanted[name] for name in plan.created], plan.bodies(kind, wanted), plan.removed)
    except ApiError as error:
        module.fail_json(msg=str(error))

    module.exit_json(
        changed=changed,
        created=plan.created,
        updated=plan.updated,
        removed=plan.removed,
        unlisted=plan.unlisted,
        diff={"prepared": plan.diff()},
    )


if __name__ == "__main__":
    main()
