"""What every row asks for: at the end the cluster is whole, and nobody lent it a hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Lab


@pytest.fixture
def cut_off() -> list[str]:
    """Give the workers that a fault of more than one test still keeps away."""
    return []


@pytest.fixture(autouse=True)
def whole(lab: Lab, cut_off: list[str]) -> Iterator[None]:
    yield
    lab.wait_well(apart=cut_off)
