"""Which ports answer whom."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testlib.host import Host

Target = tuple[str, int]

# Prints those of the targets that accept a connection.
PROBE = """
import json, socket, sys

def answers(address, port):
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True

print(json.dumps([target for target in json.loads(sys.argv[1]) if answers(*target)]))
"""


def listening(host: Host) -> set[Target]:
    """Return the ports on which a host listens for other hosts, with its address."""
    lines = host.check_output("ss -Hltn").splitlines()
    addresses = [line.split()[3].rpartition(":") for line in lines]
    ports = {int(port) for address, _colon, port in addresses if not address.startswith(("127.", "[::1]"))}
    return {(host.address, port) for port in ports}


def answering(source: Host, targets: Collection[Target]) -> set[Target]:
    """Return those of the targets that answer a host."""
    return parse(source.check_output("python3 -c %s %s", PROBE, json.dumps(list(targets))))


def answering_controller(targets: Collection[Target]) -> set[Target]:
    """Return those of the targets that answer this machine, which is no host of the inventory."""
    command = [sys.executable, "-c", PROBE, json.dumps(list(targets))]
    return parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def parse(output: str) -> set[Target]:
    return set(map(tuple, json.loads(output)))
