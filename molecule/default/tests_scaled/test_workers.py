from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testlib import Lab


def test_three_workers_are_active(lab: Lab) -> None:
    workers = lab.hosts("workers")
    assert [host.name for host in workers] == ["worker1", "worker2", "worker3"]
    for host in workers:
        host.assert_active("airflow-worker")
