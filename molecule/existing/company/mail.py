"""A mail server that takes mail after STARTTLS and a login alone, and keeps it in /var/mail/company."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

DIRECTORY = Path("/etc/company/mail")
LOGIN = b"airflow", (DIRECTORY / "password").read_bytes()


def authenticate(*arguments: Any) -> AuthResult:
    data = arguments[-1]
    return AuthResult(success=(data.login, data.password) == LOGIN)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(DIRECTORY / "server.pem", DIRECTORY / "server.key")
Controller(
    Mailbox("/var/mail/company"),
    hostname="0.0.0.0",  # noqa: S104
    port=587,
    tls_context=context,
    require_starttls=True,
    authenticator=authenticate,
    auth_required=True,
).start()
threading.Event().wait()
