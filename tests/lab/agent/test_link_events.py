"""Events about the connection to the portal, from an agent that runs before a portal of a few lines: no real one can be
made to answer so."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.lab.agent.test_link import Door
from tests.support.onboarded import onboarded
from tests.support.waiting import wait_until

from keyback.agent.build import parts
from keyback.agent.config import AgentConfig
from keyback.agent.events import Event, read_events
from keyback.agent.files import write_private
from lab._authority import Authority

NO_WORK = (200, {}, b'{"work": []}')
NOTHING_HERE = (404, {}, b'{"error": "not_found", "message": "Nothing here.", "tracking_id": "-"}')


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    for call in ("heartbeat", "people", "banned", "forests", "poll"):
        door.answers[f"/agents/v1/{call}"] = [NOTHING_HERE]
    yield door
    door.server.shutdown()
    door.server.server_close()


def config_of(folder: Path, portal: str, **more: object) -> AgentConfig:
    write_private(folder / "secret", b"secret")
    forest = {
        "name": "corp.example.test",
        "domains": ["corp.example.test"],
        "servers": ["ldaps://127.0.0.1:9"],
        "ca_file": str(folder / "secret"),
        "bind_dn": "CN=svc,DC=example,DC=test",
        "password_file": str(folder / "secret"),
        "base_dns": ["DC=example,DC=test"],
    }
    values = {"portal": portal, "state_dir": str(folder / "state"), "forest": [forest], **more}
    return AgentConfig.model_validate(values)


@contextmanager
def running(config: AgentConfig) -> Iterator[None]:
    with parts(config) as made:
        service = made.service()
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            yield
        finally:
            service.stop()
            thread.join()


def wait_for(config: AgentConfig, number: str) -> Event:
    def found() -> Event | None:
        return next((event for event in read_events(config.state_dir) if event.id == number), None)

    return wait_until(found, timeout=20, what=f"event {number}")


def polled(door: Door) -> None:
    asked = len(door.asked)
    wait_until(lambda: "poll" in door.paths()[asked:], timeout=20, what="a poll")


def test_a_portal_that_is_not_trusted_is_31034_and_trusting_it_mends_it(door: Door, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority.create(tmp_path, "Portal", now)
    authority.issue(tmp_path, "localhost", "127.0.0.1", now)
    (tmp_path / "other").mkdir()
    other = Authority.create(tmp_path / "other", "Other", now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    door.server.socket = context.wrap_socket(door.server.socket, server_side=True)
    url = door.url.replace("http:", "https:")
    door.poll_answers(NO_WORK)

    config = config_of(tmp_path, url, ca_file=str(other.certificate))
    onboarded(config)
    with running(config):
        told = wait_for(config, "31034")
        missing = wait_for(config, "31044")
    assert (missing.name, missing.level) == ("PasswordResetService", "error")
    assert told.number < missing.number
    assert (told.name, told.source, told.level) == ("ServiceBusListenerError", "PasswordResetService", "error")
    assert "certificate" in told.message.lower()
    assert door.asked == []
    with running(config_of(tmp_path, url, ca_file=str(authority.certificate))):
        polled(door)


def test_an_answer_that_somebody_altered_is_32008_and_the_portals_own_is_taken(door: Door, tmp_path: Path) -> None:
    config = config_of(tmp_path, door.url)
    onboarded(config)
    door.poll_answers((200, {}, b"<html>Your proxy says hello</html>"))
    with running(config):
        told = wait_for(config, "32008")
        assert (told.name, told.source, told.level) == ("ValidationError", "PasswordResetService", "error")
        door.poll_answers(NO_WORK)
        polled(door)
