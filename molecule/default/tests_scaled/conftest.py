"""Two bare hosts in the group `workers`: a run with --limit adds worker3, then one without adds worker2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import run_site

if TYPE_CHECKING:
    from testlib import Cluster, Result


@pytest.fixture(scope="session", autouse=True)
def limited_run(cluster: Cluster) -> Result:
    return run_site(cluster.inventory, "--limit=worker3").assert_success()


@pytest.fixture(scope="session", autouse=True)
def whole_run(cluster: Cluster, limited_run: Result) -> Result:
    del limited_run
    return run_site(cluster.inventory).assert_success()
