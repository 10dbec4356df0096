"""What every row asks for: at the end the cluster is whole, and nobody lent it a hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Lab


@pytest.fixture(autouse=True)
def whole(lab: Lab) -> Iterator[None]:
    yield
    wait_for("all to be well", lab.ailing, lambda ailing: not ailing)
