"""Remove old logs of a service: those older than some days, and the oldest ones beyond a size.

usage: task_logs.py DIRECTORY KEEP_DAYS MAX_SIZE, both 0 for no limit, the size in bytes
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86400


@dataclass(frozen=True)
class Log:
    """A file, when it was last written to, and what it takes on the disk."""

    path: Path
    written: float
    size: int


def logs(directory: Path) -> Iterator[Log]:
    """Return the files below a directory; links are not followed."""
    for parent, _directories, names in os.walk(directory):
        for path in (Path(parent, name) for name in names):
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            if not path.is_symlink():
                yield Log(path, found.st_mtime, found.st_blocks * 512)


def remove(path: Path) -> bool:
    """Remove a file unless a process has it open, as the process of a running task has its log.

    The kernel gives a lease for writing on a file that nobody else has open, and to its owner alone.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        print(f"{path} stays: {error.strerror}")
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        path.unlink()
    except BlockingIOError:
        print(f"{path} stays: it is open")
        return False
    except OSError as error:
        print(f"{path} stays: {error.strerror}")
        return False
    finally:
        os.close(fd)
    return True


def remove_empty_directories(directory: Path, before: float) -> None:
    """Remove those that nothing has changed for long, so that no task is about to write there."""
    for parent, directories, _names in os.walk(directory, topdown=False):
        for path in (Path(parent, name) for name in directories):
            try:
                if not path.is_symlink() and path.stat().st_mtime < before:
                    path.rmdir()
            except OSError:
                # It is not empty, or no longer there.
                continue


def clean(directory: Path, keep_days: int, max_size: int, now: float) -> tuple[int, int]:
    """Remove old logs, and return how many and how many bytes."""
    remove_empty_directories(directory, now - DAY)
    found = sorted(logs(directory), key=lambda log: log.written)
    total, count, freed = sum(log.size for log in found), 0, 0
    for log in found:
        is_old = keep_days and log.written < now - keep_days * DAY
        is_beyond = max_size and total - freed > max_size
        if (is_old or is_beyond) and remove(log.path):
            count += 1
            freed += log.size
    return count, freed


def main() -> None:
    """Run the program."""
    directory, keep_days, max_size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    count, freed = clean(directory, keep_days, max_size, time.time())
    print(f"{count} logs removed from {directory}, {freed >> 20} MB")


if __name__ == "__main__":
    main()
