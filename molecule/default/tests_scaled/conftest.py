"""Two bare hosts in the group `workers`: a run with --limit adds worker3, then one without adds worker2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import run_site

if TYPE_CHECKING:
    from testlib import Cluster, Result


@pytest.fixture(scope="session", autouse=True)
def check_run(cluster: Cluster) -> Result:
    """Run in check mode first, while both hosts are bare."""
    done = run_site(cluster.inventory, "--check", "--diff").assert_success()
    assert not cluster.host("worker3").file("/opt/airflow").exists
    return done


@pytest.fixture(scope="session", autouse=True)
def limited_run(cluster: Cluster, check_run: Result) -> Result:
    del check_run
    return run_site(cluster.inventory, "--limit=worker3").assert_success()


@pytest.fixture(scope="session", autouse=True)
def whole_run(cluster: Cluster, limited_run: Result) -> Result:
    del limited_run
    return run_site(cluster.inventory).assert_success()
