"""The way to the portal, checked step by step: each way in which it can be blocked has a sentence of its own.

The portal and the proxy are a few lines that can be made to misbehave; the real portal is in test_check.py.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from keyback.agent.checks.findings import Finding, Status
from keyback.agent.checks.path import check_path
from keyback.agent.proxies import ProxyConfig
from lab._authority import Authority

pytestmark = pytest.mark.lab

NOW = datetime.now(UTC)


class Portal:
    """Answers the health question over TLS, with a Date of its own choice."""

    def __init__(self, folder: Path, issued: datetime) -> None:
        folder.mkdir()
        self.authority = Authority.create(folder, "Portal's authority", issued)
        self.authority.issue(folder, "portal.test", "127.0.0.1", issued)
        self.ahead = timedelta(0)
        self.body = b'{"status":"ok"}'
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response_only(200)
                self.send_header("Date", format_datetime(datetime.now(UTC) + portal.ahead, usegmt=True))
                self.send_header("Content-Length", str(len(portal.body)))
                self.end_headers()
                self.wfile.write(portal.body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # refused handshakes are the point
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Proxy:
    """CONNECT only. ``answer``: what it says to that; ``patience``: seconds of silence after which it hangs up."""

    answer: str = "200 Connection established"
    patience: float = 60
    heads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = client.recv(65_536).decode()
            self.heads.append(head)
            client.sendall(f"HTTP/1.1 {self.answer}\r\n\r\n".encode())
            if not self.answer.startswith("200"):
                return
            host, _, port = head.split()[1].rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                while ready := select.select([client, server], [], [], self.patience)[0]:
                    for one in ready:
                        data = one.recv(65_536)
                        if not data:
                            return
                        (server if one is client else client).sendall(data)

    def close(self) -> None:
        self.listener.close()


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    portal = Portal(tmp_path / "portal", NOW)
    yield portal
    portal.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Proxy]]:
    """A proxy that the environment names; ``credentials`` as in its address."""
    made: list[Proxy] = []

    def make(credentials: str = "", **manners: str | float) -> Proxy:
        made.append(Proxy(**manners))  # type: ignore[arg-type]  # as its fields are
        monkeypatch.setenv("HTTPS_PROXY", f"http://{credentials}{made[-1].address}")
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def steps(url: str, ca_file: Path | None, idle: float = 0, now: datetime | None = None) -> dict[str, Finding]:
    section = check_path(url, ca_file, ProxyConfig(), now=lambda: now or datetime.now(UTC), idle=idle, link=None)
    return {one.code.removeprefix("portal."): one for one in section.findings}


def test_a_clear_way_is_told_with_issuer_expiry_and_clock(portal: Portal) -> None:
    found = steps(portal.url, portal.authority.certificate)
    ok = [name for name, one in found.items() if one.status is Status.OK]
    assert ok == ["proxy", "name", "tcp", "tls", "door", "clock"]
    ends = NOW + timedelta(days=825)
    assert "issued by CN=Portal's authority, valid until " in found["tls"].text
    assert f"{ends:%Y-%m}" in found["tls"].text


def test_a_name_that_nobody_knows_is_told_and_ends_it() -> None:
    found = steps("https://no-such-portal.invalid", None)
    assert list(found) == ["proxy", "name"]
    assert found["name"].status is Status.FAILED
    assert "no-such-portal.invalid is not known" in found["name"].text


def test_a_closed_port_is_told_with_host_and_port_to_allow() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = steps(f"https://127.0.0.1:{port}", None)
    assert found["tcp"].repair == (f"Allow outbound TCP to 127.0.0.1:{port}.",)


def test_a_certificate_of_another_authority_is_told_with_its_issuer(portal: Portal, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    found = steps(portal.url, Authority.create(other, "Another", NOW).certificate)
    assert found["tls"].status is Status.FAILED
    assert "issued by CN=Portal's authority" in found["tls"].text


def test_a_certificate_that_ends_soon_is_warned_of(portal: Portal) -> None:
    found = steps(portal.url, portal.authority.certificate, now=NOW + timedelta(days=825 - 10))
    assert found["tls"].status is Status.WARNING


@pytest.mark.parametrize(("ahead", "words"), [(600, "behind the portal's"), (-600, "ahead of the portal's")])
def test_a_clock_that_differs_is_told(portal: Portal, ahead: int, words: str) -> None:
    portal.ahead = timedelta(seconds=ahead)
    found = steps(portal.url, portal.authority.certificate)
    assert found["clock"].status is Status.WARNING
    assert words in found["clock"].text


def test_somebody_elses_page_is_not_the_portal(portal: Portal) -> None:
    portal.body = b"<html>Please sign in to the network</html>"
    found = steps(portal.url, portal.authority.certificate)
    assert found["door"].status is Status.FAILED


def test_the_way_through_a_proxy_is_told_without_its_password(portal: Portal, proxied: Callable[..., Proxy]) -> None:
    proxy = proxied("someone:s%C3%A9cret@")
    found = steps(portal.url, portal.authority.certificate)
    assert found["tunnel"].status is Status.OK
    assert found["door"].status is Status.OK
    assert proxy.address in found["proxy"].text
    assert "Proxy-Authorization: Basic c29tZW9uZTpzw6ljcmV0" in proxy.heads[0]
    said = " ".join(line for one in found.values() for line in (one.text, *one.repair))
    assert "cret" not in said
    assert "c29tZW9u" not in said


def test_a_proxy_that_refuses_is_quoted(portal: Portal, proxied: Callable[..., Proxy]) -> None:
    proxied(answer="407 Proxy Authentication Required")
    found = steps(portal.url, portal.authority.certificate)
    assert found["tunnel"].status is Status.FAILED
    assert "407 Proxy Authentication Required" in found["tunnel"].text


def test_a_proxy_that_drops_silent_connections_is_found(portal: Portal, proxied: Callable[..., Proxy]) -> None:
    proxied(patience=1.0)
    found = steps(portal.url, portal.authority.certificate, idle=20)
    assert found["idle"].status is Status.WARNING
    assert "was cut after 1 s" in found["idle"].text


def test_a_connection_that_lives_through_silence_is_fine(portal: Portal, proxied: Callable[..., Proxy]) -> None:
    proxied()
    found = steps(portal.url, portal.authority.certificate, idle=1)
    assert found["idle"].status is Status.OK
