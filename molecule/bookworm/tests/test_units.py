from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testlib import GROUP_UNITS

if TYPE_CHECKING:
    from testlib import Lab


@pytest.mark.parametrize("group", GROUP_UNITS)
def test_each_unit_of_the_group_is_active(lab: Lab, group: str) -> None:
    hosts = lab.hosts(group)
    assert hosts
    for host in hosts:
        for unit in GROUP_UNITS[group]:
            host.assert_active(unit)
