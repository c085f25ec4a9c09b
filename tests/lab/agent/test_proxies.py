"""The way out through a proxy: none, the environment's, a configured one with Basic; one that alters or stalls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from tests.lab.agent.test_link import Door
from tests.support.proxy import ForwardProxy, forward_proxy

from keyback.agent import link as link_module
from keyback.agent.clock import SystemClock
from keyback.agent.exchange import CALL_TIMEOUT, DRIPPING, Cause, InvalidAnswer, Unreachable, http_client
from keyback.agent.identity import Identity
from keyback.agent.link import Link
from keyback.agent.proxies import ProxyConfig, proxy_for
from keyback.errors import ConfigurationError
from keyback.protocol.limits import POLL_MAX

pytestmark = pytest.mark.lab


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    door.poll_answers((200, {}, b'{"work": []}'))
    yield door
    door.server.shutdown()
    door.server.server_close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForwardProxy]:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with forward_proxy() as running:
        yield running


def poll(door: Door, settings: ProxyConfig) -> object:
    key = Ed25519PrivateKey.generate()
    identity = Identity(
        agent_id=uuid4(),
        organization_id=uuid4(),
        organization="Example",
        name="agent",
        portal=door.url,
        portal_key=key.public_key(),
        audience="",
        fingerprint="",
        forests={},
    )
    link = Link(http_client(None, settings), identity, door.url, key, SystemClock())
    try:
        return link.poll(uuid4(), 1, [], 0)
    finally:
        link.close()


@pytest.fixture
def with_login(tmp_path: Path, proxy: ForwardProxy) -> ProxyConfig:
    proxy.login = "svc-proxy:päss:word"
    password = tmp_path / "proxy.password"
    password.touch(mode=0o600)
    password.write_text("päss:word\n")
    return ProxyConfig(mode="configured", url=proxy.url, user="svc-proxy", password_file=password)


def test_a_configured_proxy_is_used_with_its_login(door: Door, proxy: ForwardProxy, with_login: ProxyConfig) -> None:
    poll(door, with_login)
    assert proxy.seen == [f"{door.url}/agents/v1/token", f"{door.url}/agents/v1/poll"]
    asked = proxy_for(door.url, with_login)
    assert asked is not None and "päss" not in repr(asked) and "päss" not in str(with_login)


def test_a_wrong_login_is_told_and_nothing_arrives(door: Door, proxy: ForwardProxy, with_login: ProxyConfig) -> None:
    proxy.login = "svc-proxy:another"
    with pytest.raises(Unreachable, match="the proxy answered 407") as told:
        poll(door, with_login)
    assert told.value.cause is Cause.PROXY
    assert door.asked == []


def test_the_environments_proxy_is_used_where_nothing_is_configured(
    door: Door, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    poll(door, ProxyConfig())
    assert len(proxy.seen) == 2


def test_none_means_none_whatever_the_environment_says(
    door: Door, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    poll(door, ProxyConfig(mode="none"))
    assert proxy.seen == [] and len(door.asked) == 2
    assert proxy_for(door.url, ProxyConfig(mode="none")) is None


@pytest.mark.parametrize("altered", [b'{"work": [], "seen by": "proxy"}', b"<html>blocked</html>", b""])
def test_an_altered_answer_is_not_believed(door: Door, proxy: ForwardProxy, altered: bytes) -> None:
    proxy.alter = lambda path, body: altered if path.endswith("/poll") else body
    with pytest.raises(InvalidAnswer):
        poll(door, ProxyConfig(mode="configured", url=proxy.url))


def test_a_stalled_connection_is_noticed_within_90_seconds(
    door: Door, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert POLL_MAX + CALL_TIMEOUT + DRIPPING <= 90
    monkeypatch.setattr(link_module, "CALL_TIMEOUT", 0.3)
    proxy.stalled.set()
    with pytest.raises(Unreachable) as told:
        poll(door, ProxyConfig(mode="configured", url=proxy.url))
    assert told.value.cause in (Cause.NETWORK, Cause.CUT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "configured"},
        {"url": "http://proxy.test:3128"},
        {"mode": "none", "url": "http://proxy.test:3128"},
        {"mode": "configured", "url": "http://me:secret@proxy.test:3128"},
        {"mode": "configured", "url": "socks5://proxy.test"},
        {"mode": "configured", "url": "http://proxy.test", "user": "me"},
        {"mode": "configured", "url": "http://proxy.test", "user": "a:b", "password_file": "p"},
        {"user": "me", "password_file": "p"},
    ],
)
def test_what_cannot_be_meant_is_refused_without_quoting_a_password(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as told:
        ProxyConfig.model_validate(wrong)
    assert "secret" not in str(told.value)


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        http_client(None, ProxyConfig(mode="configured", url="http://proxy.test", user="me", password_file=file))
