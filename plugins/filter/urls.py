# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: parts of URLs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode


def connection_url(scheme: str, connection: dict[str, Any]) -> str:
    """Return the URL of a connection; user name, password and name may hold any character.

    :param scheme: for example ``redis`` or ``db+postgresql``
    :param connection: ``host``, ``port``, ``username``, ``password`` and ``name``, the database;
        ``query`` may hold parameters, of which empty ones are left out
    """
    username, password, name = (
        quote(str(connection[key]), safe="") for key in ("username", "password", "name")
    )
    host = str(connection["host"])
    if ":" in host:  # an IPv6 address
        host = f"[{host}]"
    query = {key: value for key, value in (connection.get("query") or {}).items() if value}
    parameters = "?" + urlencode(query, quote_via=quote, safe="") if query else ""
    return f"{scheme}://{username}:{password}@{host}:{connection['port']}/{name}{parameters}"


def libpq_tls(sslmode: str, ca_path: str) -> dict[str, str]:
    """Return the parameters of libpq for TLS; none where they are its defaults.

    :param sslmode: libpq's ``sslmode``
    :param ca_path: the file with the certificate authorities on the host that connects, or empty
    """
    parameters = {"sslmode": "" if sslmode == "prefer" else sslmode, "sslrootcert": ca_path}
    return {name: value for name, value in parameters.items() if value}


def probe_address(bind_address: str) -> str:
    """Return the address at which a host reaches its own server, for a URL.

    :param bind_address: the address on which the server listens
    """
    # Whatever the variable holds: this is evaluated before its type is checked.
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind_address, str(bind_address))  # noqa: S104
    return f"[{address}]" if ":" in address else address


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"connection_url": connection_url, "libpq_tls": libpq_tls, "probe_address": probe_address}
