"""What hosts need to know of one another follows from the inventory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from filter.inventory import (
    DEFAULT_QUEUES,
    DEFAULT_STOP_TIMEOUT,
    addresses,
    differing_variables,
    exporter_hosts,
    host_addresses,
    hosts_entries,
    ip_address,
    left_out,
    longest_stop_timeout,
    outside_limit,
    reachable,
    refused_variables,
    unnamed_servers,
    unset_variables,
    worker_names,
    worker_queues,
)

ROLES = Path(__file__).resolve().parents[2] / "roles"
HOSTVARS: dict[str, dict[str, Any]] = {
    "control": {"ansible_host": "192.0.2.10"},
    "worker1": {"ansible_host": "203.0.113.1", "airflow_host_address": "192.0.2.101"},
    "192.0.2.102": {"airflow_worker_queues": ["heavy"]},
}


def test_an_address_is_that_of_the_inventory_unless_it_is_given() -> None:
    assert addresses(["worker1", "control", "192.0.2.102", "control"], HOSTVARS) == [
        "192.0.2.10",
        "192.0.2.101",
        "192.0.2.102",
    ]


def test_each_host_has_its_address() -> None:
    assert host_addresses(["worker1", "control"], HOSTVARS) == {
        "control": "192.0.2.10",
        "worker1": "192.0.2.101",
    }


def test_a_name_is_resolved_on_the_controller() -> None:
    assert ip_address("localhost") in {"127.0.0.1", "::1"}
    assert ip_address("2001:db8::1") == "2001:db8::1"


def test_a_name_that_does_not_resolve_is_named_with_the_remedy() -> None:
    with pytest.raises(AnsibleFilterError, match=r"'no-such-host\.invalid'.*set airflow_host_address"):
        ip_address("no-such-host.invalid")


@pytest.mark.parametrize(
    "name",
    [
        *("0.0.0.0/0", "0.0.0.0", "::", "224.0.0.1"),  # noqa: S104
        *("0", "10.1", "0x7f000001", "a\nb", "", "all all"),
    ],
)
def test_what_is_not_the_address_of_one_host_is_refused(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match="set airflow_host_address"):
        ip_address(name)


def test_variables_that_no_host_sets() -> None:
    names = ["airflow_worker_queues", "airflow_fernet_key", "ansible_host"]
    assert unset_variables(names, ["control", "192.0.2.102"], HOSTVARS) == ["airflow_fernet_key"]


def test_entries_have_the_given_name_or_the_inventory_name() -> None:
    assert hosts_entries(["control"], HOSTVARS, "valkey") == ["192.0.2.10 valkey"]
    # A host that is known by its address needs no entry.
    assert hosts_entries(["worker1", "192.0.2.102"], HOSTVARS) == ["192.0.2.101 worker1"]


def test_each_worker_also_reads_a_queue_of_its_own() -> None:
    assert worker_queues(["worker1", "192.0.2.102"], HOSTVARS) == {
        "192.0.2.102": ["heavy", "host.192.0.2.102"],
        "worker1": ["default", "host.worker1"],
    }


def test_further_workers_of_a_host_have_names_and_queues_of_their_own() -> None:
    hostvars = {
        "worker2": {},
        "worker1": {
            "airflow_worker_instances": {"gpu": {"queues": ["gpu", "cuda"]}, "long": {"queues": ["long"]}}
        },
    }
    assert worker_names(hostvars, hostvars) == {
        "worker1": ["worker1", "worker1.gpu", "worker1.long"],
        "worker2": ["worker2"],
    }
    assert worker_queues(hostvars, hostvars) == {
        "worker1": ["default", "host.worker1"],
        "worker1.gpu": ["gpu", "cuda", "host.worker1.gpu"],
        "worker1.long": ["long", "host.worker1.long"],
        "worker2": ["default", "host.worker2"],
    }


def test_the_longest_stop_timeout_is_that_of_any_worker() -> None:
    # Ansible before 2.19 makes text of a number that is computed.
    hostvars: dict[str, dict[str, Any]] = {
        "default": {},
        "short": {"airflow_worker_stop_timeout": "90"},
        "gpu": {
            "airflow_worker_stop_timeout": 30,
            "airflow_worker_instances": {
                "a": {"queues": ["a"], "stop_timeout": "1000"},
                "b": {"queues": ["b"]},
            },
        },
    }
    assert longest_stop_timeout([], hostvars) == 0
    assert longest_stop_timeout(["short"], hostvars) == 90
    assert longest_stop_timeout(["short", "default"], hostvars) == 600
    assert longest_stop_timeout(hostvars, hostvars) == 1000


def test_the_defaults_are_those_of_the_role() -> None:
    defaults = yaml.safe_load((ROLES / "airflow_worker/defaults/main.yml").read_text(encoding="utf-8"))
    assert tuple(defaults["airflow_worker_queues"]) == DEFAULT_QUEUES
    assert defaults["airflow_worker_stop_timeout"] == DEFAULT_STOP_TIMEOUT


def test_a_variable_that_differs_is_named_with_its_values() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "a": {"airflow_broker_port": 6380, "airflow_api_port": 80},
        "b": {"airflow_api_port": 80},
    }
    shared = [{"variables": ["airflow_broker_port", "airflow_api_port", "x"], "groups": ["g", "h"]}]
    assert differing_variables(shared, hostvars, {"g": ["a"], "h": ["b"]}) == [
        "airflow_broker_port (a: 6380, b: not set)"
    ]


def test_a_server_that_is_not_named_is_found_with_the_hosts_that_connect() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"results_host": "postgres"},
        "c": {"database_host": "db"},
        "d": {"results_host": "db", "database_host": "postgres"},
    }
    names = ["results_host", "database_host"]
    server = {"title": "database", "group": "pg", "default": "postgres", "variables": names}
    assert unnamed_servers([{**server, "clients": ["c", "d"]}], hostvars) == []
    assert unnamed_servers([{**server, "clients": ["d", "c", "b", "a"]}], hostvars) == [
        "Group 'pg' is empty, and results_host of a, b does not say where the database is."
    ]


def test_a_variable_may_differ_on_hosts_that_do_not_read_it() -> None:
    shared = [{"variables": ["x"], "groups": ["g"]}]
    assert differing_variables(shared, {"a": {"x": 1}, "b": {}}, {"g": ["a"], "h": ["b"]}) == []


def test_a_secret_that_differs_is_not_shown() -> None:
    shared = [{"variables": ["airflow_jwt_secret"], "groups": ["g"]}]
    (found,) = differing_variables(shared, {"a": {"airflow_jwt_secret": "s3"}, "b": {}}, {"g": ["a", "b"]})
    assert found == "airflow_jwt_secret (a: set, b: not set)"


def test_variables_without_effect_are_refused_by_name() -> None:
    hostvars = {"a": {"valkey_port": 1, "__airflow_x": 2, "mine": 3}, "b": {"valkey_port": 1}}
    assert refused_variables(
        ["a", "b"], hostvars, ["__airflow_"], {"valkey_port": "airflow_broker_port"}
    ) == [
        "__airflow_x is internal, remove it (a)",
        "valkey_port has no effect, set airflow_broker_port instead (a, b)",
    ]


def test_hosts_that_did_not_answer_are_left_out() -> None:
    contacted: dict[str, dict[str, Any]] = {
        "a": {"__preflight_facts": {"changed": False}},
        "b": {"__preflight_facts": {"unreachable": True}},
        "c": {},
    }
    assert reachable(["c", "b", "a"], contacted) == ["a"]
    assert reachable(["c", "b"], contacted) == []
    assert reachable(["d", "c"], {"c": {}, "d": {}}) == ["c", "d"]
    assert outside_limit(["c", "b", "a"], contacted) == ["c"]
    assert left_out(["b", "a"], contacted) == ["a (failed, see its error above)", "b (unreachable)"]


def test_the_default_batch_is_that_of_the_role() -> None:
    defaults = yaml.safe_load((ROLES / "airflow_worker/defaults/main.yml").read_text(encoding="utf-8"))
    workers = (ROLES.parent / "playbooks/vars/workers.yml").read_text(encoding="utf-8")
    assert f"airflow_worker_batch | default('{defaults['airflow_worker_batch']}')" in workers


def test_an_exporter_runs_where_its_server_is_and_the_inventory_asks_for_it() -> None:
    hostvars = {"a": {"airflow_exporters": ["node", "valkey"]}, "b": {"airflow_exporters": ["node"]}, "c": {}}
    assert exporter_hosts({"node": ["a", "b", "c"], "valkey": ["b", "a"], "postgres": ["a"]}, hostvars) == {
        "node": ["a", "b"],
        "valkey": ["a"],
        "postgres": [],
    }
