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
  - Byte code, C(.git), links to directories and links that lead nowhere or out of the directory are left out.
options:
  _terms:
    description: The directory on the controller.
    type: list
    elements: path
    required: true
author: lakehouse.airflow maintainers (@lakehouse-airflow)
"""

EXAMPLES = r"""
- name: Show the release of a directory
  ansible.builtin.debug:
    msg: "{{ lookup('lakehouse.airflow.directory_archive', 'dags').release }}"
"""

RETURN = r"""
_raw:
  description: One mapping for each directory.
  type: list
  elements: dict
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
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

IGNORED_NAMES = frozenset({"__pycache__", ".git"})
MARKER = ".complete"


def members(directory: Path) -> list[Path]:
    """List the files and links of ``directory`` that belong to a release, sorted, relative to it.

    :param directory: an existing directory
    """
    root = directory.resolve()
    found = []
    for base, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in IGNORED_NAMES)
        for name in sorted(files):
            path = Path(base, name)
            if not name.endswith(".pyc") and path.is_file() and path.resolve().is_relative_to(root):
                found.append(path.relative_to(root))
    return sorted(found)


def pack(directory: Path, target: Path) -> dict[str, str]:
    """Pack ``directory`` into an archive below ``target``.

    :param directory: the directory to pack
    :param target: an existing directory that keeps the archives; an archive already there is used again
    :returns: ``release`` and ``path``
    :raises AnsibleLookupError: ``directory`` is not a directory
    """
    if not directory.is_dir():
        raise AnsibleLookupError(f"'{directory}' is not a directory on the controller")
    contents = [
        (name, 0o755 if os.access(directory / name, os.X_OK) else 0o644, (directory / name).read_bytes())
        for name in members(directory)
    ]
    digest = hashlib.sha256()
    for name, mode, data in contents:
        digest.update(f"{name}\0{mode:o}\0{len(data)}\0".encode() + data)
    release = digest.hexdigest()[:16]
    path = target / f"{release}.tar.gz"
    if not path.exists():
        descriptor, temporary = tempfile.mkstemp(dir=target)
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
            # Directories too, or they would get the mode that root's umask leaves on the host.
            for parent in sorted({parent for name, _mode, _data in contents for parent in name.parents}):
                member = tarfile.TarInfo(str(Path(release, parent)))
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            for name, mode, data in [*contents, (Path(MARKER), 0o644, b"")]:
                member = tarfile.TarInfo(f"{release}/{name}")
                member.size, member.mode = len(data), mode
                archive.addfile(member, io.BytesIO(data))
        Path(temporary).replace(path)
    return {"release": release, "path": str(path)}


class LookupModule(LookupBase):
    """See :data:`DOCUMENTATION`."""

    def run(
        self, terms: list[str], _variables: dict[str, Any] | None = None, **_kwargs: Any
    ) -> list[dict[str, str]]:
        """Return release and archive of each directory.

        :raises AnsibleLookupError: see :func:`pack`
        """
        target = Path(tempfile.gettempdir(), f"lakehouse-airflow-{os.getuid()}")
        target.mkdir(mode=0o700, exist_ok=True)
        if target.is_symlink() or target.stat().st_uid != os.getuid():
            raise AnsibleLookupError(f"{target} belongs to another user; remove it")
        return [pack(Path(term).expanduser(), target) for term in terms]
