# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup plugin: a directory of the controller as an archive named after its content."""

from __future__ import annotations

# ansible-test demands the documentation above the imports.
# ruff: noqa: E402
DOCUMENTATION = r"""
name: directory_archive
short_description: A directory as an archive named after its content
description:
  - Packs a directory of the controller into a tar.gz archive; returns its path and the name of its release.
  - The release is the first 16 hexadecimal digits of a SHA-256 over names, modes and contents,
    so the same directory always gives the same release, whatever its time stamps are.
  - Everything lies under one top directory named after the release; its last member, C(.complete),
    is there only when all others are.
  - Left out are byte code, files and directories whose names begin with a dot, except C(.airflowignore),
    files whose names say that they keep secrets (C(*.env), C(*.key), C(*.p12), C(*.pfx), C(*.jks),
    C(*.keytab), C(*.kdbx), C(id_rsa) and its like), and files C(*.pem) with a private key.
  - A directory that holds other things than files and directories that can be read is refused, and so are
    links that do not lead to a file of the directory, and names that are not printable UTF-8.
options:
  _terms:
    description: The directory on the controller.
    type: list
    elements: path
    required: true
  check_only:
    description: Whether to return what keeps the directory from being packed instead, and to pack nothing.
    type: bool
    default: false
author: lakehouse.airflow maintainers (@lakehouse-airflow)
"""

EXAMPLES = r"""
- name: Show the release of a directory
  ansible.builtin.debug:
    msg: "{{ lookup('lakehouse.airflow.directory_archive', 'dags').release }}"
"""

RETURN = r"""
_raw:
  description: One mapping for each directory; or a sentence for each reason why one cannot be packed.
  type: list
  elements: raw
  contains:
    release:
      description: Name of the release.
      type: str
    path:
      description: Path of the archive on the controller.
      type: str
"""

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

MARKER = ".complete"
# Settings of tools and of people begin with a dot. Airflow reads one such file.
READ_BY_AIRFLOW = ".airflowignore"
LEFT_OUT = (
    "*.pyc",
    *("*.env", "*.jks", "*.kdbx", "*.key", "*.keytab", "*.p12", "*.pfx"),
    *("id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"),
)
# Files named *.pem may hold certificates, or this.
PRIVATE_KEY = b"PRIVATE KEY-----"
SHOWN = 5


def is_left_out(path: Path) -> bool:
    """Return whether a file is left out for a name on its path."""
    return (
        any(
            (name.startswith(".") and name != READ_BY_AIRFLOW) or name == "__pycache__" for name in path.parts
        )
    ) or any(fnmatchcase(path.name.lower(), pattern) for pattern in LEFT_OUT)


def problem(path: Path, root: Path) -> str | None:
    """Return why a file or link cannot belong to a release of ``root``, if it cannot."""
    name = str(path.relative_to(root))
    if not name.isprintable():
        return f"the name {os.fsencode(name)!r} is not printable UTF-8"
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        return f"'{name}' is a link that leads nowhere"
    if not target.is_relative_to(root) or is_left_out(target.relative_to(root)):
        return f"'{name}' is a link to what is not delivered"
    mode = target.stat().st_mode
    if stat.S_ISDIR(mode):
        return f"'{name}' is a link to a directory"
    if not stat.S_ISREG(mode):
        return f"'{name}' is a FIFO, a socket or a device"
    return None if os.access(path, os.R_OK) else f"'{name}' cannot be read"


def contents(directory: Path) -> tuple[list[Path], list[str]]:
    """Return the files of ``directory`` that belong to a release, sorted, and what must not be there.

    :param directory: the directory to pack
    """
    if not directory.is_dir():
        return [], ["it is not a directory on the controller"]
    root = directory.resolve()
    if root == Path(root.root):
        return [], ["it is the root of the file system"]
    found, problems = [], []

    def unreadable(error: OSError) -> None:
        problems.append(f"'{error.filename}' cannot be read ({error.strerror})")

    for base, names, files in os.walk(root, onerror=unreadable):
        # Links to directories are not followed.
        links = [name for name in names if Path(base, name).is_symlink()]
        names[:] = [name for name in names if name not in links and not is_left_out(Path(name, "_"))]
        for path in (Path(base, name) for name in files + links):
            if is_left_out(path.relative_to(root)):
                continue
            if reason := problem(path, root):
                problems.append(reason)
            elif path.suffix.lower() != ".pem" or PRIVATE_KEY not in path.read_bytes():
                found.append(path.relative_to(root))
    problems.sort()
    return sorted(found), problems[:SHOWN] + [f"{len(problems) - SHOWN} others"] * (len(problems) > SHOWN)


def pack(directory: Path, target: Path) -> dict[str, str]:
    """Pack ``directory`` into an archive below ``target``.

    :param directory: the directory to pack
    :param target: an existing directory that keeps the archives; an archive already there is used again
    :returns: ``release`` and ``path``
    :raises AnsibleLookupError: something is wrong with ``directory``
    """
    names, problems = contents(directory)
    if problems:
        # playbooks/dags.yml delivers without the checks of other playbooks.
        raise AnsibleLookupError(
            f"'{directory}' cannot be delivered: {'; '.join(problems)}. Correct that, or set"
            " airflow_dags_source to the directory that holds your DAGs."
        )
    files = [
        (name, 0o755 if os.access(directory / name, os.X_OK) else 0o644, (directory / name).read_bytes())
        for name in names
    ]
    digest = hashlib.sha256()
    for name, mode, data in files:
        digest.update(f"{name}\0{mode:o}\0{len(data)}\0".encode() + data)
    release = digest.hexdigest()[:16]
    path = target / f"{release}.tar.gz"
    if not path.exists():
        descriptor, temporary = tempfile.mkstemp(dir=target)
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
            # Directories too, or they would get the mode that root's umask leaves on the host.
            for parent in sorted({parent for name, _mode, _data in files for parent in name.parents}):
                member = tarfile.TarInfo(str(Path(release, parent)))
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            for name, mode, data in [*files, (Path(MARKER), 0o644, b"")]:
                member = tarfile.TarInfo(f"{release}/{name}")
                member.size, member.mode = len(data), mode
                archive.addfile(member, io.BytesIO(data))
        Path(temporary).replace(path)
    return {"release": release, "path": str(path)}


class LookupModule(LookupBase):
    """See :data:`DOCUMENTATION`."""

    def run(
        self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, str]] | list[str]:
        """Return release and archive of each directory.

        :raises AnsibleLookupError: see :func:`pack`
        """
        self.set_options(var_options=variables, direct=kwargs)
        if self.get_option("check_only"):
            return [problem for term in terms for problem in contents(Path(term).expanduser())[1]]
        target = Path(tempfile.gettempdir(), f"lakehouse-airflow-{os.getuid()}")
        target.mkdir(mode=0o700, exist_ok=True)
        if target.is_symlink() or target.stat().st_uid != os.getuid():
            raise AnsibleLookupError(f"{target} belongs to another user; remove it")
        return [pack(Path(term).expanduser(), target) for term in terms]
