"""Connections, variables, pools and users are those of the inventory, and nobody sees their secrets."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

import yaml
from testlib import EXAMPLE_SECRETS, EXAMPLES, Airflow, Cluster, Result, run_playbook

if TYPE_CHECKING:
    from pathlib import Path

PASSWORDS = {name: secrets.token_urlsafe() for name in EXAMPLE_SECRETS}
KINDS = ["connections", "variables", "pools", "users"]
EXAMPLE = {f"airflow_{kind}": EXAMPLES[f"airflow_{kind}"] for kind in KINDS}


def apply(cluster: Cluster, directory: Path, **more: Any) -> Result:
    """Apply the example of docs/settings.md; nothing that Ansible says may hold a secret."""
    path = directory / "objects.yml"
    path.write_text(yaml.safe_dump({**EXAMPLE, **more}), encoding="utf-8")
    options = (f"--extra-vars=@{path}", "-vvv", "--diff")
    done = run_playbook(cluster.inventory, "objects", *options, **PASSWORDS).assert_success()
    assert [name for name, value in PASSWORDS.items() if value in done.output] == []
    return done


def secret_of_warehouse(cluster: Cluster) -> str:
    output = cluster.one("schedulers").check_output("airflow connections export - 2>/dev/null")
    return str(json.loads(output[output.index("{") :])["warehouse"]["password"])


def test_what_is_listed_is_there_and_what_somebody_changes_is_set_back(
    cluster: Cluster, airflow: Airflow, tmp_path: Path
) -> None:
    first = apply(cluster, tmp_path)
    for line in ("+ warehouse", "+ stage", "+ limits", "+ analyst"):
        assert line in first.output
    assert secret_of_warehouse(cluster) == PASSWORDS["WAREHOUSE_PASSWORD"]
    assert airflow.call("GET", "pools/warehouse")["slots"] == 4
    Airflow(airflow.url, "analyst", PASSWORDS["ANALYST_PASSWORD"])

    warehouse = {"connection_id": "warehouse", "conn_type": "postgres", "password": "of somebody else"}
    airflow.call("PATCH", "connections/warehouse?update_mask=password", warehouse)
    airflow.call("POST", "variables", {"key": "stray", "value": "x"})
    second = apply(cluster, tmp_path)
    # Nothing else differs.
    assert re.findall(r"^[+~-] .*", second.output, re.MULTILINE) == ["~ warehouse: password"]
    assert sum(second.changed.values()) == 1
    assert secret_of_warehouse(cluster) == PASSWORDS["WAREHOUSE_PASSWORD"]
    assert "Not in airflow_variables, and left: stray." in second.text

    nothing: dict[str, Any] = {name: [] for name in EXAMPLE}
    third = apply(cluster, tmp_path, **nothing, airflow_objects_exclusive=KINDS)
    removed = re.findall(r"^[+~-] .*", third.output, re.MULTILINE)
    assert sorted(removed) == ["- analyst", "- limits", "- stage", "- stray", "- warehouse", "- warehouse"]
    for host in cluster.hosts():
        journal = host.check_output("journalctl --no-pager --output=json --all --since=-10min")
        assert [name for name, value in PASSWORDS.items() if value in journal] == [], host
