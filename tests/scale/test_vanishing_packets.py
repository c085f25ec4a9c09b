"""Whatever agent and portal send each other vanishes, as behind a firewall that drops: noticed in the time that is
promised, told to the person, and over by itself once the path is free."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lab
from keyback.agent.events import read_events
from lab import api
from lab._authority import Authority
from lab.people import Person
from lab.testing import forest
from tests.support.person import Page, PersonAtBrowser
from tests.support.smtp import Sink
from tests.support.tap import Tap
from tests.support.waiting import wait_until
from tests.support.whole import Whole, build, fresh_password, mail
from tests.support.wire import Wire, wire

__all__ = ["forest", "mail"]

pytestmark = pytest.mark.scale

NOTICED = 90.0
"""Seconds within which a connection that goes silent is noticed (docs/administrators.md)."""


@pytest.fixture
def path() -> Iterator[Wire]:
    with wire() as working:
        yield working


@pytest.fixture
def whole(tmp_path: Path, forest: lab.Forest, mail: Sink, path: Wire) -> Iterator[Whole]:
    """Its agent reaches the portal over the wire, and waits for work."""
    whole = build(tmp_path, forest, mail)
    try:
        authority = Authority.create(tmp_path, "Portal", datetime.now(UTC))
        authority.issue(tmp_path, "localhost", path.address, datetime.now(UTC))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
        listener = path.listener()
        there = f"https://{path.address}:{listener.getsockname()[1]}"
        with closing(Tap(listener, int(whole.url.rsplit(":", 1)[1]), tls)) as tap:
            config = whole.agent.config
            there = (
                f'portal = "https://{path.address}:{listener.getsockname()[1]}"\nca_file = "{authority.certificate}"'
            )
            config.write_text(config.read_text().replace(f'portal = "{whole.url}"', there))
            whole.restart_agent()
            wait_until(lambda: b"POST /agents/v1/poll" in tap.said, timeout=30, what="a poll")
            yield whole
    finally:
        whole.stack.stop()


def test_packets_that_vanish_are_noticed_and_told_and_everything_goes_on_once_they_arrive(
    whole: Whole, path: Wire
) -> None:
    early, late = whole.new_people(2)
    agent = whole.agent.pid
    with whole.browser() as browser, whole.browser() as patient:
        path.cut()
        cut = datetime.now(UTC)
        assert prove(whole, browser, early).title == "We are looking at your account"
        refused = browser.wait(timeout=NOTICED)
        assert (refused.title, refused.refusal) == ("This is not possible at the moment", "SSPR_0030")
        assert "Your password is still the old one. Try again later" in refused.text

        left = NOTICED - (datetime.now(UTC) - cut).total_seconds()
        wait_until(lambda: "32002" in told(whole, cut), timeout=left, what="event 32002")
        assert prove(whole, patient, late).title == "We are looking at your account"
        path.mend()
        patient.wait_for_choose()  # the page that was open goes on
        patient.submit(password := fresh_password())
        assert patient.outcome().title == "Your password is changed"

        browser.reset(whole.user_id(early), early.mail_address, another := fresh_password())
    assert api.kinit(whole.forest, late.account, password) is api.SignIn.OK
    assert api.kinit(whole.forest, early.account, another) is api.SignIn.OK
    assert (whole.agent.running, whole.agent.pid) == (True, agent)


def prove(whole: Whole, browser: PersonAtBrowser, person: Person) -> Page:
    """The page that follows the first gate."""
    browser.identify(whole.user_id(person))
    browser.choose_email(person.mail_address)
    return browser.enter_code(browser.read_code(person.mail_address))


def told(whole: Whole, since: datetime) -> list[str]:
    """The numbers of what the agent wrote since then."""
    return [event.id for event in read_events(whole.agent.config.parent / "state") if event.time >= since]
