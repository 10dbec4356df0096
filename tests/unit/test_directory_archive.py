"""The release of a directory depends on its content alone, and its archive is complete or says so."""

from __future__ import annotations

import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from lookup.directory_archive import contents, pack


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


LEFT_OUT = (
    *(".env", ".netrc", ".git/config", ".ssh/id_rsa", "lib/.venv/pyvenv.cfg", ".complete", "lib/.complete"),
    *("prod.env", "lib/server.KEY", "key.p12", "id_ed25519", "user.keytab", "private.pem", "one.pyc"),
)
PRIVATE_KEY = b"-----BEGIN RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_not_for_others_is_left_out(directory: Path, name: str) -> None:
    before = release(directory)
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_bytes(PRIVATE_KEY)
    assert release(directory) == before
    assert contents(directory)[1] == []


@pytest.mark.parametrize("name", [".airflowignore", "ca.pem", "environment.py", "keys.py", "ü ' \" $.py"])
def test_other_files_are_packed(directory: Path, name: str) -> None:
    (directory / name).write_bytes(b"-----BEGIN CERTIFICATE-----")
    with tarfile.open(pack(directory, directory.parent)["path"]) as archive:
        stream = archive.extractfile(f"{release(directory)}/{name}")
        assert stream is not None
        assert stream.read() == b"-----BEGIN CERTIFICATE-----"


def test_a_link_to_a_file_of_the_directory_is_packed_as_that_file(directory: Path) -> None:
    (directory / "uno.py").symlink_to("lib/two.py")
    with tarfile.open(pack(directory, directory.parent)["path"]) as archive:
        member = archive.getmember(f"{release(directory)}/uno.py")
        assert member.isfile()
        assert member.size == 1


def make_socket(path: Path) -> None:
    # The path of a socket has a maximum length, which that of the test may exceed.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a FIFO": (os.mkfifo, "'lib/new.py' is a FIFO, a socket or a device"),
    "a socket": (make_socket, "'lib/new.py' is a FIFO, a socket or a device"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "is a link to what is not delivered"),
    "a broken link": (lambda path: path.symlink_to("nowhere"), "'lib/new.py' is a link that leads nowhere"),
    "a looping link": (loop, "'lib/new.py' is a link that leads nowhere"),
    "a link out": (lambda path: path.symlink_to("/etc/passwd"), "is a link to what is not delivered"),
    "a link to a secret": (lambda path: path.symlink_to(".env"), "is a link to what is not delivered"),
    "a link to a directory": (
        lambda path: path.symlink_to("../lib"),
        "'lib/new.py' is a link to a directory",
    ),
    "a link to /": (lambda path: path.symlink_to("/"), "is a link to what is not delivered"),
    "a name that is not UTF-8": (
        lambda path: Path(os.fsdecode(bytes(path.parent) + b"/\xff.py")).touch(),
        r"the name b'lib/\xff.py' is not printable UTF-8",
    ),
    "a name of two lines": (
        lambda path: path.with_name("a\nb.py").touch(),
        r"the name b'lib/a\nb.py' is not printable UTF-8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_delivered_is_refused_by_name(directory: Path, name: str) -> None:
    make, said = REFUSED[name]
    (directory / "lib" / ".env").touch()
    make(directory / "lib" / "new.py")
    (problem,) = contents(directory)[1]
    assert said in problem
    with pytest.raises(AnsibleLookupError, match="cannot be delivered"):
        pack(directory, directory.parent)


def test_a_special_file_that_is_not_delivered_does_not_matter(directory: Path) -> None:
    before = release(directory)
    # As the lock of an editor.
    (directory / ".#one.py").symlink_to("user@host.1234")
    os.mkfifo(directory / ".fifo")
    assert release(directory) == before


def test_a_hidden_special_file_does_not_hang(directory: Path) -> None:
    os.mkfifo(directory / ".airflowignore")
    assert contents(directory)[1] == ["'.airflowignore' is a FIFO, a socket or a device"]


@pytest.mark.parametrize("path", ["/", "/etc/..", "//"])
def test_the_root_is_refused(path: str) -> None:
    assert contents(Path(path))[1] == ["it is the root of the file system"]


def test_of_many_problems_some_are_named(directory: Path) -> None:
    for number in range(10):
        (directory / f"link{number}.py").symlink_to("nowhere")
    problems = contents(directory)[1]
    assert problems[0] == "'link0.py' is a link that leads nowhere"
    assert problems[-1] == "5 others"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="no-such"):
        pack(tmp_path / "no-such", tmp_path)
