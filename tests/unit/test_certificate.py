"""Certificates are made once, accepted by clients as strict as any, renewed in time, and kept private."""

from __future__ import annotations

import os
import re
import socket
import ssl
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader  # noqa: F401 # pylint: disable=unused-import # LookupBase needs it
from lookup import certificate
from lookup.certificate import Authority, LookupModule, blocks, given_errors, header, make_certificate, pair

NAMES = ["airflow-api", "web1", "192.0.2.7", "127.0.0.1", "::1", "localhost"]
LATER = datetime.now(UTC) + timedelta(days=300)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "inventory" / ".airflow-secrets-tls"


def authority(directory: Path, now: datetime | None = None, temporary: Path | None = None) -> Authority:
    made = Authority(directory, temporary)
    made.now = now or made.now
    return made


def connect(combined: Path, trusted: Path, name: str) -> dict[str, Any]:
    """Connect to a server with that file over a socket, as strictly as Python 3.13 does."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # As Valkey, PostgreSQL, uvicorn and Tornado are told: one file for both.
    server.load_cert_chain(combined, combined)
    client = ssl.create_default_context(cafile=str(trusted))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    left, right = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(right, server_side=True).close()
        except ssl.SSLError:
            right.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(left, server_hostname=name) as connection:
            return dict(connection.getpeercert() or {})
    finally:
        thread.join()


def delivered(path: Path, text: str) -> Path:
    path.write_text(pair(text, text), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_strict_client_accepts_each_name(directory: Path, tmp_path: Path, name: str) -> None:
    ours = authority(directory)
    combined = delivered(tmp_path / "host.pem", ours.issue("api-web1", NAMES))
    assert connect(combined, ours.certificate(), name)


def test_a_client_refuses_another_name_and_another_authority(directory: Path, tmp_path: Path) -> None:
    ours = authority(directory)
    combined = delivered(tmp_path / "host.pem", ours.issue("api-web1", NAMES))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        connect(combined, ours.certificate(), "web2")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        connect(combined, authority(tmp_path / "other").certificate(), "web1")


def test_a_certificate_is_made_once_and_not_shared(directory: Path) -> None:
    made = authority(directory).issue("api-web1", NAMES)
    assert authority(directory).issue("api-web1", NAMES) == made
    other = authority(directory).issue("api-web2", NAMES)
    assert blocks(other, "PRIVATE KEY") != blocks(made, "PRIVATE KEY")


def test_a_certificate_is_one_of_a_client_where_that_is_asked_for(directory: Path, tmp_path: Path) -> None:
    ours = authority(directory)
    command = ["openssl", "verify", "-CAfile", str(ours.certificate()), "-purpose", "sslclient"]
    for name, status in (("client", 0), ("server", 2)):
        combined = delivered(tmp_path / f"{name}.pem", ours.issue(name, NAMES, client=name == "client"))
        done = subprocess.run([*command, str(combined)], check=False, capture_output=True)
        assert done.returncode == status, done.stderr


def test_an_unchanged_run_parses_no_certificate(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = authority(directory).issue("api-web1", NAMES)
    monkeypatch.setattr(certificate, "make_certificate", None)
    assert authority(directory).issue("api-web1", NAMES) == made


def test_everything_is_its_owners_alone(directory: Path) -> None:
    authority(directory).issue("api-web1", NAMES)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [directory, *directory.iterdir()]}
    assert modes == {directory.name: 0o700, "ca.pem": 0o600, "ca.key": 0o600, "api-web1.pem": 0o600}
    assert "PRIVATE" not in (directory / "ca.pem").read_text(encoding="utf-8")


def test_other_names_make_another_certificate(directory: Path) -> None:
    made = authority(directory).issue("api-web1", NAMES)
    changed = authority(directory).issue("api-web1", [*NAMES, "airflow.example.com"])
    assert changed != made
    assert header(changed, "Names").endswith(" airflow.example.com")
    assert authority(directory).issue("api-web1", [*NAMES, "web1"]) != changed
    # A name that is there twice is not another one.
    assert header(authority(directory).issue("api-web1", [*NAMES, "web1"]), "Names") == " ".join(NAMES)


@pytest.mark.parametrize(("days", "renewed"), [(240, False), (244, True), (400, True)])
def test_a_certificate_is_renewed_when_a_third_of_its_life_is_left(
    directory: Path,
    days: int,
    renewed: bool,  # noqa: FBT001
) -> None:
    now = datetime.now(UTC)
    made = authority(directory, now).issue("api-web1", NAMES)
    again = authority(directory, now + timedelta(days=days)).issue("api-web1", NAMES)
    assert (again != made) is renewed


def test_a_renewed_authority_and_its_certificates_go_with_the_ones_before(
    directory: Path, tmp_path: Path
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=3000)
    before = tmp_path / "before.pem"
    before.write_bytes(authority(directory, long_ago).certificate().read_bytes())
    ours = authority(directory)
    assert ours.certificate().read_bytes() != before.read_bytes()
    combined = delivered(tmp_path / "host.pem", ours.issue("api-web1", NAMES))
    # A client that has not been told of the new one yet.
    assert connect(combined, before, "web1")
    assert connect(combined, ours.certificate(), "web1")


def test_another_authority_makes_other_certificates(directory: Path) -> None:
    made = authority(directory).issue("api-web1", NAMES)
    for name in ("ca.pem", "ca.key"):
        (directory / name).unlink()
    again = authority(directory).issue("api-web1", NAMES)
    assert header(again, "Authority") != header(made, "Authority")


def test_a_lost_key_of_the_authority_is_not_replaced(directory: Path) -> None:
    made = authority(directory).issue("api-web1", NAMES)
    (directory / "ca.key").unlink()
    assert authority(directory).issue("api-web1", NAMES) == made
    with pytest.raises(AnsibleLookupError, match="restore it from a backup"):
        authority(directory).issue("api-web2", NAMES)
    with pytest.raises(AnsibleLookupError, match="restore it from a backup"):
        authority(directory, datetime.now(UTC) + timedelta(days=3000)).certificate()
    assert not (directory / "ca.key").exists()


def test_a_lost_certificate_of_the_authority_is_made_of_its_key(directory: Path) -> None:
    made = authority(directory).issue("api-web1", NAMES)
    (directory / "ca.pem").unlink()
    assert authority(directory).issue("api-web1", NAMES) == made


def test_forks_agree(directory: Path) -> None:
    with ThreadPoolExecutor(8) as forks:
        made = set(forks.map(lambda _: authority(directory).issue("api-web1", NAMES), range(24)))
    assert len(made) == 1


@pytest.mark.parametrize("name", ["", "ca.key", "api-web1.pem", "ca.pem"])
def test_what_others_can_read_is_refused(directory: Path, name: str) -> None:
    authority(directory).issue("api-web1", NAMES)
    (directory / name).chmod(0o750 if name == "" else 0o640)
    with pytest.raises(AnsibleLookupError, match="so others can read its keys"):
        authority(directory, LATER).issue("api-web1", NAMES)


def test_what_belongs_to_another_user_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority(directory).certificate()
    owner = directory.stat().st_uid or 1000
    os.chown(directory, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(AnsibleLookupError, match="belongs to another user"):
        authority(directory).certificate()


@pytest.mark.parametrize("name", ["ca", "../api", "api web1", "", "api-web1\n"])
def test_a_name_is_that_of_a_file_beside(directory: Path, name: str) -> None:
    with pytest.raises(AnsibleLookupError, match="not a name for a file"):
        authority(directory).issue(name, NAMES)


def test_check_mode_keeps_nothing(directory: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "run" / "certificates"
    made = authority(directory, temporary=temporary).issue("api-web1", NAMES)
    assert authority(directory, temporary=temporary).issue("api-web1", NAMES) == made
    assert not directory.exists()
    # With an authority, what is missing is made by it.
    kept = authority(directory).certificate()
    other = authority(directory, temporary=tmp_path / "other")
    assert other.certificate() == kept
    assert header(other.issue("api-web1", NAMES), "Authority") == header(kept.read_text(), "Authority")
    assert {path.name for path in directory.iterdir()} == {"ca.pem", "ca.key"}


def company(life: int = 30, names: list[str] | None = None) -> dict[str, str]:
    """Return the arguments of given_errors() with what a company has: an authority, and a certificate."""
    now = datetime.now(UTC)
    ca = make_certificate(now, 30, [])
    made = make_certificate(
        now,
        life,
        names or ["airflow.example.com"],
        "",
        (blocks(ca, "PRIVATE KEY"), blocks(ca, "CERTIFICATE")),
    )
    return {
        "key": blocks(made, "PRIVATE KEY"),
        "certificate": blocks(made, "CERTIFICATE"),
        "authorities": blocks(ca, "CERTIFICATE"),
        "name": "airflow.example.com",
    }


GIVEN = company()
OTHER = company()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, ""),
        ({"name": ""}, ""),
        ({"authorities": ""}, ""),
        ({"authorities": "", "name": "web1"}, "Hostname mismatch"),
        ({**company(life=0), "authorities": ""}, "certificate has expired"),
        ({"authorities": OTHER["authorities"] + GIVEN["authorities"]}, ""),
        ({"certificate": "A comment\n" + GIVEN["certificate"]}, ""),
        ({"name": "airflow-api"}, "'airflow-api' refuse it .*Hostname mismatch"),
        ({"name": "192.0.2.7"}, "IP address mismatch"),
        ({"key": OTHER["key"]}, "do not fit each other"),
        ({"key": ""}, "not in PEM"),
        ({"certificate": GIVEN["key"]}, "not in PEM"),
        ({"key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"}, "the key is encrypted"),
        ({"key": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"}, "the key is encrypted"),
        ({"authorities": OTHER["authorities"]}, "unable to get local issuer"),
        ({"authorities": "nothing"}, "authorities are not in PEM"),
        (company(life=0), "certificate has expired"),
        (company(names=["*.example.com"]), ""),
    ],
)
def test_given_certificates_are_tried(changes: dict[str, str], error: str) -> None:
    found = given_errors(**{**GIVEN, **changes})
    assert len(found) == bool(error), found
    assert re.search(error, "".join(found))


@pytest.mark.parametrize(
    ("usage", "error"), [("keyUsage=critical,keyCertSign", ""), ("", "CA cert does not include key usage")]
)
def test_an_authority_that_python_3_13_refuses_is_refused(usage: str, error: str) -> None:
    extension = ["-addext", usage] if usage else []
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=company", *extension]
    made = subprocess.run([*command, "-keyout", "-"], check=True, capture_output=True, text=True).stdout
    ca = blocks(made, "CERTIFICATE")
    names = ["airflow.example.com"]
    server = make_certificate(datetime.now(UTC), 30, names, "", (blocks(made, "PRIVATE KEY"), ca))
    found = given_errors(server, server, ca, *names)
    assert len(found) == bool(error)
    assert error in "".join(found)


@pytest.fixture
def lookup(tmp_path: Path) -> LookupModule:
    """Return the plugin, with files of a company beside an inventory."""
    for name, text in (("key", GIVEN["key"]), ("crt", GIVEN["certificate"]), ("ca", GIVEN["authorities"])):
        (tmp_path / f"company.{name}").write_text(text, encoding="utf-8")
    plugin = LookupModule(loader=DataLoader())
    plugin._load_name = "certificate"  # noqa: SLF001
    options = {
        "names": [],
        "certificate_file": "",
        "key_file": "",
        "ca_file": "",
        "client": False,
        "errors_only": False,
        "missing_only": False,
        "airflow_secrets_file": str(tmp_path / "secrets.yml"),
    }

    def set_options(direct: dict[str, Any], **_: Any) -> None:
        options.update(direct)

    plugin.set_options, plugin.get_option = set_options, options.__getitem__
    return plugin


def test_the_plugin_returns_what_it_makes(lookup: LookupModule, tmp_path: Path) -> None:
    assert lookup.run(["ca"], missing_only=True) == ["ca"]
    assert not (tmp_path / "secrets-tls").exists()
    assert lookup.run(["ca"], missing_only=False) == [str(tmp_path / "secrets-tls" / "ca.pem")]
    assert lookup.run(["ca"], missing_only=True) == []
    (text,) = lookup.run(["api-web1"], names=NAMES, missing_only=False)
    assert re.findall("-----BEGIN (.*)-----", text) == ["PRIVATE KEY", "CERTIFICATE"]
    assert text.startswith("-----BEGIN")


def test_the_plugin_returns_what_is_given(lookup: LookupModule, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {f"{name}_file": str(tmp_path / f"company.{name}") for name in ("key", "ca")}
    arguments["names"] = ["airflow.example.com", "web1"]
    (error,) = lookup.run(["api-web1"], errors_only=True, **arguments)
    assert error == "the certificate file '' is not a file on the controller"
    arguments["certificate_file"] = str(tmp_path / "company.crt")
    assert lookup.run(["api-web1"], **arguments) == []
    assert lookup.run(["api-web1"], errors_only=False) == [GIVEN["key"] + GIVEN["certificate"]]
    assert not (tmp_path / "secrets-tls").exists()


@pytest.mark.parametrize(("life", "warned"), [(29, True), (31, False)])
def test_the_end_of_a_given_certificate_is_announced(
    lookup: LookupModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, life: int, *, warned: bool
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(lookup._display, "warning", warnings.append)  # noqa: SLF001
    given = company(life=life)
    files = {f"{name}_file": tmp_path / f"{name}.pem" for name in ("key", "certificate")}
    for name, path in files.items():
        path.write_text(given[name.removesuffix("_file")], encoding="utf-8")
    arguments: dict[str, Any] = {name: str(path) for name, path in files.items()}
    assert lookup.run(["api-web1"], errors_only=True, **arguments) == []
    assert ["certificate.pem ends on 2" in warning for warning in warnings] == [True] * warned


def test_an_authority_alone_is_not_enough(lookup: LookupModule, tmp_path: Path) -> None:
    (error,) = lookup.run(["api-web1"], names=NAMES, ca_file=str(tmp_path / "company.ca"), errors_only=True)
    assert "has to be given" in error
    (ours,) = lookup.run(["ca"], errors_only=False)
    assert lookup.run(["api-web1"], ca_file=ours, errors_only=True) == []
