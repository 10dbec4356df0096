"""A worker that is down does not stop the run for others; a control host that is down stops it at once."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from testlib import run_site, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Cluster, Host


def answers(host: Host) -> bool:
    with suppress(RuntimeError):  # the SSH server is not up yet
        return bool(host.run("true").rc == 0)
    return False


@contextmanager
def down(host: Host) -> Iterator[None]:
    """Switch a host off for a while."""
    container = f"lakehouse-default-{host.name}"
    subprocess.run(["docker", "stop", "--time=20", container], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "start", container], check=True, capture_output=True)
        wait_for(f"{host} up", lambda: answers(host), timeout=60)


def test_the_others_are_done_and_the_host_is_named(cluster: Cluster) -> None:
    host = cluster.host("worker3")
    with down(host):
        done = run_site(cluster.inventory, "--extra-vars=airflow_worker_monitor_timeout=21")
    restored = run_site(cluster.inventory).assert_success()
    assert done.returncode != 0
    assert "Left out: worker3 (unreachable)" in done.text
    # The others had their part of the change, and the run went on to its end.
    assert done.changed["control"] == restored.changed["control"] == 1
    assert "Run the smoke test" in done.output


def test_without_a_control_host_nothing_is_done(cluster: Cluster) -> None:
    with down(cluster.host("control")):
        done = run_site(cluster.inventory)
    assert done.returncode != 0
    assert set(done.changed.values()) == {0}
    assert "control did not answer, and nothing is done without a control host" in done.text
    assert "Check the host" not in done.output
    cluster.wait_healthy()
