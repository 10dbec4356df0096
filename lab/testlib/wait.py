from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_for(
    what: str, probe: Callable[[], T], done: Callable[[T], object] = bool, *, timeout: float = 60
) -> T:
    """Look again and again until done; give what was seen then."""
    deadline = time.monotonic() + timeout
    while not done(seen := probe()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s for {what}, last seen: {seen}"
        time.sleep(0.5)
    return seen
