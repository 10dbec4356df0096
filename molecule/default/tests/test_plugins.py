"""Plugins and local settings that cannot be imported are refused before a service is restarted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from testlib import Cluster, run_playbook

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Result

BROKEN = "import no_such_module\n"


def run_workers(cluster: Cluster, variable: str, path: Path) -> Result:
    return run_playbook(cluster.inventory, "workers", f"--extra-vars={variable}={path}")


def test_a_broken_plugin_and_broken_settings_are_refused_and_nothing_is_restarted(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The mechanism is the check before the services; test_variables.py shows those that work."""
    (tmp_path / "broken.py").write_text(f"\n{BROKEN}", encoding="utf-8")
    before = {host.name: host.start_time("airflow-worker") for host in cluster.hosts("workers")}
    environment = "sha256sum /etc/airflow/*.env"
    files = {host.name: host.check_output(environment) for host in cluster.hosts()}
    cases = {
        "airflow_plugins_source": (tmp_path, "broken.py"),
        "airflow_local_settings": (tmp_path / "broken.py", "airflow_local_settings.py"),
    }
    with ThreadPoolExecutor() as pool:
        runs = pool.map(lambda variable: run_workers(cluster, variable, cases[variable][0]), cases)
    for refused, (_path, name) in zip(runs, cases.values(), strict=True):
        assert refused.returncode != 0
        assert f"{name}:2: ModuleNotFoundError: No module named 'no_such_module'" in refused.text
        assert "No service was restarted with them" in refused.text
    assert {host.name: host.start_time("airflow-worker") for host in cluster.hosts("workers")} == before
    assert {host.name: host.check_output(environment) for host in cluster.hosts()} == files
