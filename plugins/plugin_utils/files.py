# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files on the controller that are their owner's alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ansible.errors import AnsibleLookupError


def check_private(path: Path, content: str) -> None:
    """Check that a file or directory is its owner's alone.

    :param content: what is in it, for the message
    :raises AnsibleLookupError: others can read it, or it belongs to another user
    """
    status = path.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise AnsibleLookupError(f"{path} belongs to another user (UID {status.st_uid}); chown it")
    if status.st_mode & 0o077:
        raise AnsibleLookupError(
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so others can read its {content};"
            f" run 'chmod go= {path}', and replace them if others may have read them"
        )
