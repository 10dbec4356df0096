"""Apply patches in memory, each only to the very code it was written for."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FunctionType

log = logging.getLogger(__name__)


class UnexpectedCodeError(Exception):
    """The installed code is not the code a patch was written for."""


def digest(function: FunctionType) -> str:
    """Return a digest of a function's source."""
    # Of the code object: of the function, inspect would follow a wrapper to what it wraps.
    return hashlib.sha256(inspect.getsource(function.__code__).encode()).hexdigest()[:16]


def expect(package: str, versions: str, functions: dict[FunctionType, str]) -> None:
    """Fail unless the package has one of these versions, and its functions the digests that they have there.

    :param versions: one, or several with a space between them
    :param functions: the digest of each, or where the versions differ one for each of them
    """
    if (found := version(package)) not in (wanted := versions.split()):
        raise UnexpectedCodeError(f"it is for {package} {' and '.join(wanted)}, installed is {found}")
    for function, digests in functions.items():
        known = digests.split()
        if (actual := digest(function)) != known[wanted.index(found) % len(known)]:
            raise UnexpectedCodeError(
                f"{function.__qualname__} of {package} {found} has the unknown digest {actual}"
            )


def apply(*names: str) -> None:
    """Apply patches by the names of their modules; one that fails leaves the code unpatched."""
    for name in names:
        try:
            importlib.import_module(f"lakehouse_airflow.patches.{name}").apply()
        except Exception as error:  # noqa: BLE001 - better slow than not at all
            log.warning("Patch %s: not applied, %s", name, error)
        else:
            log.info("Patch %s: applied", name)
