"""Files with secrets are their owner's alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from plugin_utils.files import check_private


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_what_only_the_owner_reads_is_accepted(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    check_private(tmp_path, "keys")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602])
def test_what_others_reach_is_refused_with_path_and_remedy(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(AnsibleLookupError, match="others can read its keys; run 'chmod go= /"):
        check_private(tmp_path, "keys")


def test_what_belongs_to_somebody_else_but_root_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path, owner := tmp_path.stat().st_uid or 1000, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(AnsibleLookupError, match="belongs to another user"):
        check_private(tmp_path, "keys")
