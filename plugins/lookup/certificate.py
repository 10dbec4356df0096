# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup plugin: the certificate and key of a server of the cluster, given or made once."""

from __future__ import annotations

# ansible-test demands the documentation above the imports.
# ruff: noqa: E402
DOCUMENTATION = r"""
name: certificate
short_description: The certificate and key of a server of the cluster
description:
  - >-
    Returns key and certificate of a server as one text in PEM, those in O(key_file) and O(certificate_file)
    if they are set.
  - >-
    Otherwise they are made once, by a certificate authority of the cluster, and kept with it beside the
    secrets file, in a directory with mode 0700. They are made anew when less than a third of their life is
    left, and when the names or the authority have changed.
  - >-
    The term V(ca) stands for the authority itself. Of that, the path of the certificate is returned. It is
    renewed with the same key, so certificates that it has signed before stay valid.
  - >-
    Runs on the controller. In check mode, what is missing is made in a directory that is removed at the end
    of the run.
options:
  _terms:
    description: What to return, V(ca) or the name of a file, which is that of a service and a host.
    type: list
    elements: str
    required: true
  names:
    description: Host names and IP addresses of the server. The first is the one that its clients use.
    type: list
    elements: str
    default: []
  certificate_file:
    description: >-
      PEM file on the controller with the certificate of the server, followed by those of intermediate
      authorities.
    type: str
    default: ""
  key_file:
    description: PEM file on the controller with its key, which only Ansible Vault may have encrypted.
    type: str
    default: ""
  ca_file:
    description: >-
      PEM file on the controller with the authorities that the clients of the server trust. Without it nothing
      is known of them, and who has signed O(certificate_file) is not checked.
    type: str
    default: ""
  client:
    description: >-
      Whether the certificate is made for a client, too, which shows it to servers that ask for one.
    type: bool
    default: false
  errors_only:
    description: >-
      Whether to return why clients would refuse the server instead, a sentence each. A given certificate of
      which the end is near causes a warning.
    type: bool
    default: false
  missing_only:
    description: Whether to return the term V(ca) if there is no authority yet, and to make none.
    type: bool
    default: false
  airflow_secrets_file:
    description: >-
      Path of the secrets file on the controller. Empty means C(.airflow-secrets.yml) beside the inventory.
    type: str
    default: ""
    vars:
      - name: airflow_secrets_file
author: lakehouse.airflow maintainers (@lakehouse-airflow)
"""

EXAMPLES = r"""
- name: Print where the certificate of the authority is
  ansible.builtin.debug:
    msg: "{{ lookup('lakehouse.airflow.certificate', 'ca') }}"
"""

RETURN = r"""
_raw:
  description: Key and certificate, the path of the authority's certificate, or sentences.
  type: list
  elements: str
"""

import fcntl
import ipaddress
import os
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.lakehouse.airflow.plugins.plugin_utils.files import check_private

# Days.
AUTHORITY_LIFE = 3650
CERTIFICATE_LIFE = 365
# When the end of one that is given is near.
NEAR_END = 30

AUTHORITY = "ca"
PEM_BLOCK = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----.+?-----END (?P=label)-----", re.DOTALL)
# Above the certificate in each file: an unchanged run reads it, and need not parse a certificate.
HEADER = """\
# Made by the certificate authority of the cluster.
# Names: {names}
# Authority: {authority}
# Renewed after: {renewed}
"""


def blocks(text: str, label: str) -> str:
    """Return the PEM blocks of ``text`` whose label ends with ``label``."""
    return "".join(f"{match[0]}\n" for match in PEM_BLOCK.finditer(text) if match["label"].endswith(label))


def pair(key: str, certificate: str) -> str:
    """Return a key, and a certificate with those of intermediate authorities, in one text."""
    return blocks(key, "PRIVATE KEY") + blocks(certificate, "CERTIFICATE")


def header(text: str, name: str) -> str:
    """Return a value of the header of a file, empty if it has none."""
    found = re.search(rf"^# {name}: (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(path: Path, text: str) -> None:
    """Write a file with mode 0600, as a whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(temporary).replace(path)


class Authority:
    """The certificate authority of a cluster, with the certificates that it has made.

    :param directory: where they are kept
    :param temporary: where missing ones are made instead, in check mode
    """

    def __init__(self, directory: Path, temporary: Path | None = None) -> None:
        self.directory = directory
        self.target = temporary or directory
        self.now = datetime.now(UTC)

    def find(self, name: str) -> Path | None:
        """Return the newest file of that name, if there is one."""
        for directory in (self.target, self.directory):
            if (path := directory / name).exists():
                return path
        return None

    def ensure(self, name: str, is_good: Callable[[str], bool], make: Callable[[], str]) -> Path:
        """Return the file of that name, made first if there is none, or none that is good.

        :param is_good: judges the content of a file
        :param make: returns the content of a new one
        """
        for directory in (self.target, self.directory):
            if directory.exists():
                check_private(directory, "keys")

        def found() -> Path | None:
            path = self.find(name)
            if path:
                check_private(path, "keys")
            return path if path and is_good(path.read_text(encoding="utf-8")) else None

        if path := found():
            return path
        self.target.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Forks ask at the same time: the first one makes it, the others must read that one.
        with locked(self.target):
            if path := found():
                return path
            write(self.target / name, make())
        return self.target / name

    def lives(self, text: str) -> bool:
        """Return whether a file of ours need not be renewed yet."""
        renewed = header(text, "Renewed after")
        return bool(renewed) and datetime.fromisoformat(renewed) > self.now

    def certificate(self) -> Path:
        """Return the file with the authority's certificate."""
        return self.ensure(f"{AUTHORITY}.pem", self.lives, self.make_authority)

    def issue(self, name: str, names: Sequence[str], *, client: bool = False) -> str:
        """Return key and certificate of a server.

        :param name: of its file
        :param names: host names and IP addresses, the main one first
        :param client: whether it is a client, too
        """
        if not re.fullmatch(r"[A-Za-z0-9_.:-]+", name) or name == AUTHORITY:
            raise AnsibleLookupError(f"'{name}' is not a name for a file")
        wanted = list(dict.fromkeys(names))
        authority = self.certificate().read_text(encoding="utf-8")

        def is_good(text: str) -> bool:
            same = header(text, "Authority") == header(authority, "Authority")
            return same and header(text, "Names") == " ".join(wanted) and self.lives(text)

        def make() -> str:
            signer = self.key(), authority
            return make_certificate(self.now, CERTIFICATE_LIFE, wanted, "", signer, client=client)

        return self.ensure(f"{name}.pem", is_good, make).read_text(encoding="utf-8")

    def make_authority(self) -> str:
        """Return a new certificate of the authority, of the same key if it has one."""
        if self.find(f"{AUTHORITY}.key") is None and self.find(f"{AUTHORITY}.pem") is None:
            text = make_certificate(self.now, AUTHORITY_LIFE, [])
            write(self.target / f"{AUTHORITY}.key", blocks(text, "PRIVATE KEY"))
        else:
            text = make_certificate(self.now, AUTHORITY_LIFE, [], self.key())
        return text.replace(blocks(text, "PRIVATE KEY"), "")

    def key(self) -> str:
        """Return the key of the authority.

        :raises AnsibleLookupError: there is none
        """
        path = self.find(f"{AUTHORITY}.key")
        if path is None:
            raise AnsibleLookupError(
                f"{self.directory / AUTHORITY}.key is missing, without which no certificate can be made;"
                f" restore it from a backup, or remove {self.directory} for a new authority"
            )
        check_private(path, "keys")
        return path.read_text(encoding="utf-8")


def make_certificate(  # noqa: PLR0913
    now: datetime,
    life: int,
    names: Sequence[str],
    key: str = "",
    authority: tuple[str, str] | None = None,
    *,
    client: bool = False,
) -> str:
    """Return a certificate with its key, below a header.

    :param life: in days
    :param names: host names and IP addresses of a server; an authority has none
    :param key: the key in PEM; by default a new one
    :param authority: key and certificate of the authority that signs, in PEM; without one, it signs itself
    :param client: whether it is one of a client, too
    """
    # Imported here: an unchanged run needs none of it, in any of its many processes.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    def load(text: str) -> Any:
        return serialization.load_pem_private_key(text.encode(), password=None)

    def general_name(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    own = load(key) if key else ec.generate_private_key(ec.SECP256R1())
    signer = load(authority[0]) if authority else own
    identifier = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())
    title = names[0] if names else f"Airflow cluster {identifier.digest.hex()[:12]}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title[:64])])
    issuer = x509.load_pem_x509_certificate(authority[1].encode()).subject if authority else subject
    # What an authority's key signs is certificates, a server's its handshakes.
    signs = not names
    usage = x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        # A host's clock may be behind.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=life))
        .add_extension(x509.BasicConstraints(ca=signs, path_length=0 if signs else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if client else [])]
        purpose = x509.ExtendedKeyUsage(purposes)
        builder = builder.add_extension(alternatives, critical=False).add_extension(purpose, critical=False)
    return (
        HEADER.format(
            names=" ".join(names),
            authority=identifier.digest.hex(),
            renewed=(now + timedelta(days=life * 2 // 3)).isoformat(timespec="seconds"),
        )
        + own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        + builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    )


def handshake_error(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Return why a client refuses a server, empty if it does not.

    :param name: the name by which the client knows the server
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client.wrap_bio(to_client, to_server, server_hostname=name)
    sides = client_side, server.wrap_bio(to_server, to_client, server_side=True)
    try:
        # Each needs what the other has just sent: two rounds, or three.
        for side in sides * 4:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except ssl.SSLError as error:
        return str(error)
    return ""


def given_errors(key: str, certificate: str, authorities: str, name: str) -> list[str]:
    """Return why clients would refuse a server with a given certificate, a sentence each.

    :param key: in PEM, as the others
    :param certificate: that of the server, and those of intermediate authorities
    :param authorities: those that the clients trust; without them, they may trust any
    :param name: the name by which they know it; without one they may use any
    """
    if "ENCRYPTED" in key:
        return ["the key is encrypted; decrypt it, or encrypt it with Ansible Vault instead"]
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As Python 3.13 does it, which is that of Debian 13.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.check_hostname = bool(name)
    if not authorities:
        authorities = certificate
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as stream:
            stream.write(pair(key, certificate))
            stream.flush()
            server.load_cert_chain(stream.name)
    except ssl.SSLError as error:
        return [f"key and certificate are not in PEM, or do not fit each other ({error.reason or error})"]
    try:
        client.load_verify_locations(cadata=blocks(authorities, "CERTIFICATE"))
    except (ssl.SSLError, ValueError) as error:
        return [f"the certificate authorities are not in PEM ({error})"]
    refusal = handshake_error(server, client, name or "localhost")
    return [f"clients that connect to '{name or 'it'}' refuse it ({refusal})"] if refusal else []


def last_day(certificate: str) -> date:
    """Return the day on which a certificate ends."""
    from cryptography import x509  # noqa: PLC0415

    found = x509.load_pem_x509_certificate(blocks(certificate, "CERTIFICATE").encode())
    # The first is new in cryptography 42, and deprecates the other.
    end = getattr(found, "not_valid_after_utc", None) or found.not_valid_after
    return date(end.year, end.month, end.day)


class LookupModule(LookupBase):
    """See :data:`DOCUMENTATION`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return what the terms stand for.

        :raises AnsibleLookupError: a file cannot be used
        """
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        if self.get_option("certificate_file") or self.get_option("key_file"):
            return self.given()
        directory = self.directory(variables)
        if self.get_option("missing_only"):
            return [] if (directory / f"{AUTHORITY}.pem").exists() else [AUTHORITY]
        temporary = Path(constants.DEFAULT_LOCAL_TMP, "certificates")
        authority = Authority(directory, temporary if variables.get("ansible_check_mode") else None)
        found = []
        for term in terms:
            if term == AUTHORITY:
                found.append(str(authority.certificate()))
                continue
            # Its header stays here.
            text = authority.issue(term, self.get_option("names"), client=self.get_option("client"))
            found.append(pair(text, text))
        return self.trust_errors(authority) if self.get_option("errors_only") else found

    def trust_errors(self, authority: Authority) -> list[str]:
        """Return why clients would refuse a certificate of the authority."""
        trusted = self.get_option("ca_file")
        if not trusted or Path(trusted).expanduser().resolve() == authority.certificate().resolve():
            return []
        return [f"the clients trust '{trusted}' alone, so a certificate that it has signed has to be given"]

    def directory(self, variables: dict[str, Any]) -> Path:
        """Return the directory beside the secrets file."""
        if given := self.get_option("airflow_secrets_file"):
            secrets = Path(given).expanduser()
        elif variables.get("inventory_dir") is not None:
            secrets = Path(variables["inventory_dir"], ".airflow-secrets.yml")
        else:
            raise AnsibleLookupError(
                "there is no inventory file beside which the certificates could be kept;"
                " set airflow_secrets_file to a path on the controller"
            )
        return secrets.with_name(f"{secrets.stem}-tls")

    def given(self) -> list[str]:
        """Return the given key and certificate, or what is wrong with them."""
        names = ("key_file", "certificate_file", *(["ca_file"] if self.get_option("ca_file") else []))
        errors = [
            f"the {name.replace('_', ' ')} '{self.get_option(name)}' is not a file on the controller"
            for name in names
            if not Path(self.get_option(name)).expanduser().is_file()
        ]
        if errors:
            if self.get_option("errors_only"):
                return errors
            raise AnsibleLookupError("; ".join(errors))
        key, certificate, *rest = (self.read(self.get_option(name)) for name in names)
        if self.get_option("errors_only"):
            errors = given_errors(key, certificate, "".join(rest), next(iter(self.get_option("names")), ""))
            if not errors and (end := last_day(certificate)) - datetime.now(UTC).date() < timedelta(
                days=NEAR_END
            ):
                self._display.warning(f"{self.get_option('certificate_file')} ends on {end}. Renew it.")
            return errors
        return [pair(key, certificate)]

    def read(self, name: str) -> str:
        """Return the content of a file, which Ansible Vault may have encrypted."""
        path = self._loader.get_real_file(str(Path(name).expanduser().resolve()))
        return Path(path).read_text(encoding="utf-8")
