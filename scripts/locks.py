"""What is in a lock file, as `uv pip compile` writes it."""

from __future__ import annotations

import re


def locked(text: str) -> list[str]:
    """Return the packages of a lock file for all Pythons and platforms, as NAME==VERSION."""
    return re.findall(r"^([\w.-]+==[\w.+!-]+)", text, re.MULTILINE)
