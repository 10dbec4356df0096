"""The release of a directory depends on its content alone, and its archive is complete or says so."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from lookup.directory_archive import pack


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    source = tmp_path / "dags"
    (source / "lib").mkdir(parents=True)
    (source / "one.py").write_text("1", encoding="utf-8")
    (source / "lib" / "two.py").write_text("2", encoding="utf-8")
    return source


def release(directory: Path) -> str:
    return pack(directory, directory.parent)["release"]


def test_time_stamps_and_byte_code_do_not_matter(directory: Path) -> None:
    before = release(directory)
    os.utime(directory / "one.py", (0, 0))
    (directory / "__pycache__").mkdir()
    (directory / "__pycache__" / "one.cpython-313.pyc").write_bytes(b"x")
    assert release(directory) == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "removal", "split"])
def test_a_change_makes_a_new_release(directory: Path, change: str) -> None:
    before = release(directory)
    match change:
        case "content":
            (directory / "one.py").write_text("one", encoding="utf-8")
        case "name":
            (directory / "one.py").rename(directory / "uno.py")
        case "mode":
            (directory / "one.py").chmod(0o755)
        case "removal":
            (directory / "one.py").unlink()
        case "split":
            (directory / "empty.py").touch()
    assert release(directory) != before


def test_the_marker_is_the_last_member(directory: Path) -> None:
    packed = pack(directory, directory.parent)
    with tarfile.open(packed["path"]) as archive:
        modes = {member.name: member.mode for member in archive.getmembers()}
    top = packed["release"]
    assert list(modes) == [top, f"{top}/lib", f"{top}/lib/two.py", f"{top}/one.py", f"{top}/.complete"]
    # Whatever root's umask on a host, the services may read what is unpacked there.
    assert modes[top] == modes[f"{top}/lib"] == 0o755


def test_a_link_that_leads_out_is_left_out(directory: Path) -> None:
    before = release(directory)
    (directory / "passwd.py").symlink_to("/etc/passwd")
    # As the lock of an editor.
    (directory / ".#one.py").symlink_to("user@host.1234")
    assert release(directory) == before


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="no-such"):
        pack(tmp_path / "no-such", tmp_path)
