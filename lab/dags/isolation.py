"""What the sandbox of a worker lets tasks do, and what DAG code tries that it must not be able to."""

from __future__ import annotations

import ctypes
import json
import mmap
import multiprocessing
import os
import socket
import subprocess
import tempfile
from multiprocessing import shared_memory
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

options = {"is_paused_upon_creation": False, "tags": ["lab"]}


def read(path: Path) -> str:
    """Return what is in a file, "" for one that cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def steal() -> str:
    """Return, as JSON, what of the other services this process can read.

    All numbers up to its own are tried, for a process that is hidden may be readable; its own proves that
    this works.
    """
    environments = {pid: read(Path(f"/proc/{pid}/environ")) for pid in range(1, os.getpid() + 1)}
    own = os.environ["AIRFLOW_HOME"]
    homes = {
        line.partition("=")[2]
        for text in environments.values()
        for line in text.split("\0")
        if line.startswith("AIRFLOW_HOME=")
    }
    files = list(Path("/etc/airflow").glob("*.env"))
    for directory in ("/var/lib/airflow", "/var/log/airflow"):
        files += [path for path in Path(directory).glob("*") if path.name != Path(own).name]
    readable = [str(path) for path in files if os.access(path, os.R_OK) or os.access(path, os.W_OK)]
    return json.dumps(
        {"own": own in homes, "others": sorted(homes - {own}), "tried": len(files), "files": readable}
    )


# At every import: the DAG processor's is the one that becomes the description.
with DAG("lab_steal", description=steal(), schedule=None, **options):
    task(task_id="steal")(steal)()

with DAG("lab_sandbox", description="What tasks may do", schedule=None, **options):

    @task
    def python() -> None:
        # Temporary files, where other programs find them, and the home directory.
        for directory in (None, "/var/tmp", Path.home()):  # noqa: S108 - shared on purpose
            with tempfile.NamedTemporaryFile(dir=directory) as file:
                file.write(b"x")
        # Sockets, and the interfaces, by netlink.
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            server.accept()[0].close()
        socket.socketpair()
        assert socket.if_nameindex()
        # Processes.
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        # /dev/shm
        memory = shared_memory.SharedMemory(create=True, size=1024)
        memory.close()
        memory.unlink()
        with multiprocessing.Lock():
            pass
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            file.write(b"x")
        # What compilers at run time do.
        with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC):
            pass
        assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(abs)(-1) == 1
        # What libraries ask for, and set.
        assert "MemTotal" in Path("/proc/meminfo").read_text()
        assert os.getloadavg()
        os.sched_setaffinity(0, os.sched_getaffinity(0))
        os.nice(1)

    @task
    def virtual_environment() -> None:
        with tempfile.TemporaryDirectory() as directory:
            # The interpreter of the host, as the operators do that build one.
            subprocess.run(["/usr/bin/python3", "-m", "venv", directory], check=True)
            subprocess.run([f"{directory}/bin/pip", "--version"], check=True)

    python()
    virtual_environment()
    BashOperator(
        task_id="bash",
        bash_command="""
            set -eu
            file=$(mktemp)
            seq 3 | sort -r >"$file"
            cp -a "$file" "$file.copy"
            chgrp "$(id -g)" "$file.copy"
            (sleep 0.1 &)
            getent hosts localhost
            rm "$file" "$file.copy"
        """,
    )
