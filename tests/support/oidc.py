"""A real OpenID Connect provider of its own process on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from lab.stack import free_port
from tests.support.waiting import wait_until

__all__ = ["Provider", "running"]


@dataclass(frozen=True, slots=True)
class Provider:
    issuer: str

    def sign_in(self, address: str, subject: str) -> str:
        """What the person does there. The path with which the provider sends them back."""
        answer = httpx2.post(address, data={"sub": subject}, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"

    def deny(self, address: str) -> str:
        answer = httpx2.post(address, data={"action": "deny"}, follow_redirects=False)
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"


@contextmanager
def running(*people: dict[str, object]) -> Iterator[Provider]:
    """``people``: the claims of each."""
    port = free_port()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    for person in people:
        command += ["--user-claims", json.dumps(person)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    provider = Provider(f"http://127.0.0.1:{port}")

    def answers() -> bool:
        assert process.poll() is None, "the provider ended"
        try:
            return httpx2.get(f"{provider.issuer}/.well-known/openid-configuration", verify=False).status_code == 200
        except httpx2.TransportError:
            return False

    try:
        wait_until(answers, timeout=30, what="the OpenID Connect provider")
        yield provider
    finally:
        process.terminate()
        process.wait(10)
