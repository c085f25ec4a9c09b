"""A provider that answers slowly, or not: whoever has it asked holds up nobody else."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Semaphore, Thread

import pytest
from django.utils import timezone

from keyback.portal.account import openid
from keyback.portal.account.openid import ProviderUnusable, discover
from keyback.portal.account.providers import set_provider
from keyback.portal.organizations.models import Organization
from tests.portal.account.signing import name
from tests.portal.walk import Walker


class SlowProvider(ThreadingHTTPServer):
    """Answers while ``open`` is set. ``asked`` counts questions as they come."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.open = Event()
        self.asked = Semaphore(0)
        self.count = 0
        self.drips = 0
        self.endless = False
        self.sent = 0


class _Handler(BaseHTTPRequestHandler):
    server: SlowProvider

    def do_GET(self) -> None:
        self.server.count += 1
        self.server.asked.release()
        self.server.open.wait(30)
        own = self.server.issuer
        names = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        body = json.dumps({each: own if each == "issuer" else f"{own}/{each}" for each in names}).encode()
        self.send_response(200)
        for number in range(self.server.drips):
            self.send_header(f"X-{number}", "")
            self.flush_headers()
            self.server.open.clear()
            if self.server.open.wait(0.02):
                break
        if self.server.endless:
            self.end_headers()
            with suppress(OSError):
                while self.server.sent < 50_000_000:
                    self.server.sent += self.wfile.write(b" " * 65_536)
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[SlowProvider]:
    with SlowProvider() as server:
        Thread(target=server.serve_forever).start()
        yield server
        server.open.set()
        server.shutdown()


def test_only_some_wait_for_it_and_the_next_is_told_at_once(provider: SlowProvider) -> None:
    with ThreadPoolExecutor(2) as others:
        waiting = [others.submit(discover, provider.issuer) for _ in range(2)]
        for _ in waiting:
            assert provider.asked.acquire(timeout=10)
        with pytest.raises(ProviderUnusable, match="too slow"):
            discover(provider.issuer)
        provider.open.set()
        assert {answer.result()["issuer"] for answer in waiting} == {provider.issuer}
    assert discover(provider.issuer)["issuer"] == provider.issuer


def test_a_byte_now_and_then_keeps_no_thread(provider: SlowProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openid, "_IN_ALL", 0.2)
    provider.drips = 99
    provider.open.set()
    with pytest.raises(ProviderUnusable, match="does not answer"):
        discover(provider.issuer)


def test_an_answer_without_end_is_not_read_to_its_end(provider: SlowProvider) -> None:
    provider.endless = True
    provider.open.set()
    with pytest.raises(ProviderUnusable, match="more than 200000 bytes"):
        discover(provider.issuer)
    assert provider.sent < 50_000_000


def test_it_is_asked_once_for_all_who_come(organization: Organization, provider: SlowProvider) -> None:
    provider.open.set()
    given = {"client_id": "keyback", "secret": "of-the-client", "domains": ["example.test"], "claim": "email"}
    set_provider(organization, provider.issuer, **given, by="operator:test", now=timezone.now())  # type: ignore[arg-type]
    before = provider.count
    for _ in range(3):
        walker = Walker()
        name(walker, "ada@example.test")
        for _ in range(5):
            answer = walker.get("/sign-in/openid", follow=False).response
            assert answer["Location"].startswith(f"{provider.issuer}/authorization_endpoint?")
    assert provider.count - before <= 1
