from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_for(
    what: str, probe: Callable[[], T], done: Callable[[T], object] = bool, *, timeout: float = 60
) -> T:
    """Call probe() until done() accepts what it returns, and return that."""
    deadline = time.monotonic() + timeout
    while not done(found := probe()):
        assert time.monotonic() < deadline, f"timeout of {timeout:g} s: {what}; last: {found}"
        time.sleep(0.5)
    return found
