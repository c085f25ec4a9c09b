"""Each way in which TLS to a controller can fail has a sentence that says what to do: servers wrong in one way each."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keyback.directory import DirectoryServer
from keyback.directory._link import shake_hands
from keyback.directory.errors import TlsFailure

pytestmark = pytest.mark.lab

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@dataclass
class Issued:
    certificate: x509.Certificate
    key: Key


def issue(
    issuer: Issued | None,
    *,
    ca: bool = False,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + DAY,
    name: x509.GeneralName = HERE,
    usage: x509.ExtendedKeyUsage | None = None,
    key: Key | None = None,
    title: str = "",
) -> Issued:
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title or ("Authority" if ca else "dc1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    if usage:
        builder = builder.add_extension(usage, critical=False)
    return Issued(builder.sign(issuer.key if issuer else own, hashes.SHA256()), own)


AUTHORITY = issue(None, ca=True, title="Trusted")
STRANGER = issue(None, ca=True, title="Stranger")
BETWEEN = issue(AUTHORITY, ca=True, title="Between")


def pem(*issued: Issued) -> bytes:
    return b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in issued)


@contextmanager
def controller(folder: Path, chain: list[Issued], tune: Callable[[ssl.SSLContext], None]) -> Iterator[int]:
    """A TLS server with this chain; the port."""
    key = chain[0].key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem(*chain) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tune(context)
    context.load_cert_chain(folder / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            taken, _ = listener.accept()
            try:
                context.wrap_socket(taken, server_side=True).close()
            except OSError:
                taken.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def as_it_is(_: ssl.SSLContext) -> None:
    pass


def old_only(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


FAILURES: dict[str, tuple[list[Issued], Callable[[ssl.SSLContext], None], str]] = {
    "expired": ([issue(AUTHORITY, begins=NOW - 9 * DAY, ends=NOW - DAY)], as_it_is, "it has expired: renew it"),
    "not valid yet": ([issue(AUTHORITY, begins=NOW + DAY, ends=NOW + 2 * DAY)], as_it_is, "compare the clocks"),
    "another authority": ([issue(STRANGER)], as_it_is, "put the missing one into"),
    "another authority, sent along": ([issue(STRANGER), STRANGER], as_it_is, "put that authority's own certificate"),
    "self-signed": ([issue(None)], as_it_is, "it is self-signed and not trusted"),
    "one between is missing": ([issue(BETWEEN)], as_it_is, "one between them is not sent along"),
    "another address": (
        [issue(AUTHORITY, name=x509.IPAddress(ipaddress.ip_address("192.0.2.1")))],
        as_it_is,
        "it is for another address",
    ),
    "another name": ([issue(AUTHORITY, name=x509.DNSName("dc9.example.test"))], as_it_is, "it is for another address"),
    "not for servers": ([issue(AUTHORITY, usage=CLIENT_ONLY)], as_it_is, "it is not one for servers"),
    "weak key": (
        [issue(AUTHORITY, key=rsa.generate_private_key(65537, 1024))],  # noqa: S505 — that is what is wrong
        lambda context: context.set_ciphers("DEFAULT:@SECLEVEL=0"),
        "its key is too weak",
    ),
    "old versions only": ([issue(AUTHORITY)], old_only, "enable TLS 1.2"),
}


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_bytes(pem(AUTHORITY))
    return file


def server(port: int, ca_file: Path) -> DirectoryServer:
    return DirectoryServer(f"ldaps://127.0.0.1:{port}", ca_file, "CN=svc", "password")


@pytest.mark.parametrize("wrong", FAILURES)
def test_what_is_wrong_is_said_with_what_to_do(wrong: str, tmp_path: Path, trusted: Path) -> None:
    chain, tune, sentence = FAILURES[wrong]
    with controller(tmp_path, chain, tune) as port, pytest.raises(TlsFailure) as told:
        shake_hands(server(port, trusted))
    assert sentence in told.value.message
    if "{ca}" in told.value.message:
        pytest.fail("the file of authorities is not named")


def test_what_is_right_is_taken_also_with_an_authority_between(tmp_path: Path, trusted: Path) -> None:
    with controller(tmp_path, [issue(BETWEEN), BETWEEN], as_it_is) as port:
        assert shake_hands(server(port, trusted))


def test_a_name_that_the_certificate_does_not_carry_is_told_apart_from_an_address(
    tmp_path: Path, trusted: Path
) -> None:
    right = [issue(AUTHORITY, name=x509.DNSName("dc9.example.test"))]
    with controller(tmp_path, right, as_it_is) as port, pytest.raises(TlsFailure, match="it is for another name"):
        shake_hands(DirectoryServer(f"ldaps://localhost:{port}", trusted, "CN=svc", "password"))


GOODBYE = b"\x15\x03\x03\x00\x02\x01\x00"
"""The alert close_notify (RFC 8446 6.1). Python 3.11.2 takes every end for one, later versions only this."""


@pytest.mark.parametrize(
    ("said", "expected"),
    [(b"220 mail.example.test ESMTP\r\n", "check scheme and port"), (b"", "it hung up"), (GOODBYE, "it hung up")],
    ids=["another protocol", "nothing", "goodbye"],
)
def test_what_speaks_no_tls_is_told(trusted: Path, said: bytes, expected: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.recv(4096)
                taken.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(TlsFailure, match=expected):
            shake_hands(server(listener.getsockname()[1], trusted))
