"""Lookup plugin: a folder of the controller as an archive named after its content."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: folder_archive
short_description: A folder as an archive named after its content
description:
  - Packs a folder of the controller into a tar.gz archive; returns its path and the name of its release.
  - The release is the first 16 hexadecimal digits of a SHA-256 over names, modes and contents,
    so the same folder always gives the same release, whatever its time stamps are.
  - Everything lies under one top folder named after the release; its last member, C(.complete),
    is there only when all others are.
  - Byte code, C(.git) and links that lead out of the folder are left out.
options:
  _terms:
    description: The folder on the controller.
    type: list
    elements: path
    required: true
author: lakehouse.airflow maintainers
"""

EXAMPLES = r"""
- name: Show the release of a folder
  ansible.builtin.debug:
    msg: "{{ lookup('lakehouse.airflow.folder_archive', 'dags').release }}"
"""

RETURN = r"""
_raw:
  description: One mapping a folder.
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

IGNORED_NAMES = frozenset({"__pycache__", ".git"})
MARKER = ".complete"


def members(folder: Path) -> list[Path]:
    """List the files and links of ``folder`` that belong to a release, sorted, relative to it.

    :param folder: an existing folder
    """
    root = folder.resolve()
    found = []
    for base, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in IGNORED_NAMES)
        for name in sorted(files):
            path = Path(base, name)
            if not name.endswith(".pyc") and path.resolve().is_relative_to(root):
                found.append(path.relative_to(root))
    return sorted(found)


def pack(folder: Path, target: Path) -> dict[str, str]:
    """Pack ``folder`` into an archive below ``target``.

    :param folder: the folder to pack
    :param target: an existing folder that keeps the archives; an archive already there is used again
    :returns: ``release`` and ``path``
    :raises AnsibleLookupError: ``folder`` is not a folder
    """
    if not folder.is_dir():
        raise AnsibleLookupError(f"'{folder}' is not a folder on the controller")
    contents = [
        (name, 0o755 if os.access(folder / name, os.X_OK) else 0o644, (folder / name).read_bytes())
        for name in members(folder)
    ]
    digest = hashlib.sha256()
    for name, mode, data in contents:
        digest.update(f"{name}\0{mode:o}\0{len(data)}\0".encode() + data)
    release = digest.hexdigest()[:16]
    path = target / f"{release}.tar.gz"
    if not path.exists():
        descriptor, temporary = tempfile.mkstemp(dir=target)
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
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
        """Return release and archive of each folder.

        :raises AnsibleLookupError: see :func:`pack`
        """
        target = Path(tempfile.gettempdir(), f"lakehouse-airflow-{os.getuid()}")
        target.mkdir(mode=0o700, exist_ok=True)
        if target.is_symlink() or target.stat().st_uid != os.getuid():
            raise AnsibleLookupError(f"{target} belongs to somebody else; remove it")
        return [pack(Path(term).expanduser(), target) for term in terms]
