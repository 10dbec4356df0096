"""A process that never had the credentials of the worker, and forks its tasks.

The worker starts one as a fresh interpreter (see isolation). It imports what tasks need, once for all.
"""
# ruff: noqa: SLF001 - Airflow has no public way to fork a task

from __future__ import annotations

import ctypes
import gc
import io
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.api.datamodels._generated import BundleInfo
from airflow.sdk.execution_time import callback_supervisor, supervisor
from setproctitle import setproctitle  # type: ignore[import-not-found,unused-ignore]

from lakehouse_airflow import preload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1  # from linux/prctl.h
PR_SET_DUMPABLE = 4
MESSAGE_SIZE = 1 << 18  # bytes, more than the kernel lets anyone send


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


class Server:
    """Forks tasks, passes signals on to them, and reports how they end.

    :param slots: where requests come from: arguments as JSON, and five descriptors. The first four are those
        of a task (requests, stdout, stderr, logs), the fifth takes numbers of signals and gets the exit code.
    :param run: what the process of a task runs, with its descriptors and arguments
    """

    def __init__(self, slots: socket.socket, run: Callable[[list[int], Any], object]) -> None:
        self.run = run
        self.selector = selectors.DefaultSelector()
        self.selector.register(slots, selectors.EVENT_READ, self.fork)

    def serve(self) -> None:
        """Serve until neither a slot nor a task is left."""
        while self.selector.get_map():
            for key, _events in self.selector.select():
                # What was handled in this round may have closed it.
                if self.selector.get_map().get(key.fd) is key:
                    key.data(key.fileobj)

    def close(self, file: Any) -> None:
        """Close what is waited for, or is closed already."""
        with suppress(KeyError, ValueError):
            self.selector.unregister(file)
        file.close()

    def fork(self, slots: socket.socket) -> None:
        """Fork a task."""
        message, files = socket.recv_fds(slots, MESSAGE_SIZE, 5, socket.MSG_CMSG_CLOEXEC)[:2]
        if not message:
            self.close(slots)
            return
        slot = socket.socket(fileno=files.pop())
        try:
            pid = os.fork()
        except OSError:
            # The slot is told by the end of file.
            traceback.print_exc()
            slot.close()
            pid = None
        if pid == 0:
            self.become(slot, files, message)
        for fd in files:
            os.close(fd)
        if pid:
            self.watch(pid, slot)

    def become(self, slot: socket.socket, files: list[int], message: bytes) -> NoReturn:
        """Be the process of a task."""
        try:
            # As Airflow has it; and without this server nobody would know how the task ends.
            os.setpgid(0, 0)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            # A task must not reach others by the server's descriptors. Closed, not unregistered: what the
            # kernel waits for is shared by both processes.
            slot.close()
            for key in self.selector.get_map().values():
                file: Any = key.fileobj
                file.close()
            self.selector.close()
            self.run(files, json.loads(message))
        except BaseException:  # noqa: BLE001 - whatever happens, there must be no second server
            traceback.print_exc()
        finally:
            os._exit(124)

    def watch(self, pid: int, slot: socket.socket) -> None:
        """Wait for signals to a task, and for its end."""
        with suppress(OSError):
            os.setpgid(pid, pid)
        exited = io.FileIO(os.pidfd_open(pid))

        def pass_on(_slot: Any) -> None:
            try:
                number = slot.recv(1)
            except OSError:
                number = b""
            if not number:
                self.close(slot)
            # The process is there until it is waited for, below.
            with suppress(ProcessLookupError):
                os.killpg(pid, number[0] if number else signal.SIGKILL)

        def report(_exited: Any) -> None:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with suppress(OSError):
                slot.send(str(code).encode())
            self.close(slot)
            self.close(exited)

        self.selector.register(slot, selectors.EVENT_READ, pass_on)
        self.selector.register(exited, selectors.EVENT_READ, report)


def callback_target(arguments: Mapping[str, Any]) -> Callable[[], None]:
    """Return what CallbackSubprocess would run in the process that it forks."""
    sdk: Any = supervisor
    sdk.WatchedSubprocess.start = classmethod(lambda *_, target, **__: target)
    bundle = arguments["bundle_info"]
    subprocess: Any = callback_supervisor.CallbackSubprocess
    target: Callable[[], None] = subprocess.start(
        **{**arguments, "bundle_info": bundle and BundleInfo(**bundle)}, id="0" * 32, client=None
    )
    return target


def run(files: Sequence[int], arguments: Mapping[str, Any] | None) -> None:
    """Run a task, which has no arguments: it asks its slot. Or a callback, which has some."""
    requests, stdout, stderr = (socket.socket(fileno=fd) for fd in files[:3])
    target = supervisor._subprocess_main if arguments is None else callback_target(arguments)
    supervisor._fork_main(requests, stdout, stderr, files[3], target)


def main() -> None:
    """Serve the slots at the other end of standard input."""
    # Nor do tasks read each other's memory; what is forked inherits this.
    prctl(PR_SET_DUMPABLE, 0)
    setproctitle("airflow fork server")
    slots = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open("rb") as null:
        os.dup2(null.fileno(), 0)
    # The worker itself has nothing of what tasks can write in its directory.
    os.chdir(os.environ["AIRFLOW_HOME"])
    try:
        preload.import_shared()
    except ImportError as error:
        print(f"Fork server: preload incomplete, {error}", file=sys.stderr)
    gc.collect()
    gc.freeze()
    Server(slots, run).serve()


if __name__ == "__main__":
    main()
