"""A folder's release depends on its content alone, and its archive is whole or says so."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from lookup.folder_archive import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "dags"
    (source / "lib").mkdir(parents=True)
    (source / "one.py").write_text("1", encoding="utf-8")
    (source / "lib" / "two.py").write_text("2", encoding="utf-8")
    return source


def release(folder: Path) -> str:
    return pack(folder, folder.parent)["release"]


def test_time_stamps_and_byte_code_do_not_matter(folder: Path) -> None:
    before = release(folder)
    os.utime(folder / "one.py", (0, 0))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "one.cpython-313.pyc").write_bytes(b"x")
    assert release(folder) == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "removal", "split"])
def test_a_change_makes_a_new_release(folder: Path, change: str) -> None:
    before = release(folder)
    match change:
        case "content":
            (folder / "one.py").write_text("one", encoding="utf-8")
        case "name":
            (folder / "one.py").rename(folder / "uno.py")
        case "mode":
            (folder / "one.py").chmod(0o755)
        case "removal":
            (folder / "one.py").unlink()
        case "split":
            (folder / "empty.py").touch()
    assert release(folder) != before


def test_the_marker_is_the_last_member(folder: Path) -> None:
    packed = pack(folder, folder.parent)
    with tarfile.open(packed["path"]) as archive:
        names = archive.getnames()
    top = packed["release"]
    assert names == [f"{top}/lib/two.py", f"{top}/one.py", f"{top}/.complete"]


def test_a_link_that_leads_out_is_left_out(folder: Path) -> None:
    before = release(folder)
    (folder / "passwd.py").symlink_to("/etc/passwd")
    assert release(folder) == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="no-such"):
        pack(tmp_path / "no-such", tmp_path)
