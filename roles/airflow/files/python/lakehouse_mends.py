"""What the worker's and the scheduler's modules mend, and when they leave it alone.

What others wrote is mended in memory, and only where the code met is the code a mend was written for.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

log = logging.getLogger(__name__)


class UnexpectedCodeError(Exception):
    pass


def digest(function: FunctionType) -> str:
    # Of the code object: of the function, inspect would follow a wrapper to what it wraps.
    return hashlib.sha256(inspect.getsource(function.__code__).encode()).hexdigest()[:16]


def expect(package: str, wanted: str, functions: dict[FunctionType, str]) -> None:
    """Fail unless version and source of the functions are those a mend was written for."""
    if (found := version(package)) != wanted:
        raise UnexpectedCodeError(f"it is for {package} {wanted}, this is {found}")
    for function, known in functions.items():
        if (met := digest(function)) != known:
            raise UnexpectedCodeError(f"{function.__qualname__} of {package} {wanted} is unknown ({met})")


def apply(mends: dict[str, Callable[[], None]]) -> None:
    for name, mend in mends.items():
        try:
            mend()
        except Exception as error:  # noqa: BLE001 - better slow than not at all
            log.warning("%s: left out, %s", name, error)
        else:
            log.info("%s: in place", name)
