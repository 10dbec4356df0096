"""Reboots of the lab's hosts."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib.cluster import Cluster
    from testlib.host import Host


def boot(host: Host) -> str:
    """Return when the first process of the container began."""
    return host.check_output("cut -d ' ' -f 22 /proc/1/stat")


@contextmanager
def started_again(cluster: Cluster, *names: str) -> Iterator[None]:
    """Start containers that have ended: a reboot ends a container, and the engine does not start it again."""
    done = threading.Event()
    containers = [f"lakehouse-{cluster.directory.name}-{name}" for name in names]

    def start() -> None:
        while not done.wait(1):
            subprocess.run(["docker", "start", *containers], check=True, capture_output=True)

    thread = threading.Thread(target=start)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
