"""After each fault the cluster is healthy again by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Cluster


@pytest.fixture
def partitioned_workers() -> list[str]:
    """Return the workers that a fault of more than one test still affects."""
    return []


@pytest.fixture(autouse=True)
def healthy_at_the_end(cluster: Cluster, partitioned_workers: list[str]) -> Iterator[None]:
    yield
    cluster.wait_healthy(ignored_workers=partitioned_workers)
