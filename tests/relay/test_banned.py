"""An agent asks for its organization's banned words: signed by the people's door, and only when they are newer."""

from pathlib import Path

from django.conf import settings
from django.utils import timezone

from keyback.agent.clock import SystemClock
from keyback.agent.config import Passwords
from keyback.agent.events import EventLog
from keyback.agent.exchange import http_client
from keyback.agent.identity import Identity
from keyback.agent.link import Link
from keyback.agent.proxies import ProxyConfig
from keyback.agent.screen import Screen
from keyback.passwords import PersonNames
from keyback.portal.agents.registry import audience
from keyback.portal.organizations import banned
from keyback.portal.organizations.models import BannedList
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import BannedAnswer, BannedQuestion, BannedTerms
from keyback.protocol.signing import verify_banned_terms
from tests.relay.conftest import Site


def ask(site: Site, have: int = 0) -> BannedAnswer:
    answer = site.caller.post("banned", BannedQuestion(have=have))
    assert answer.status_code == 200
    return BannedAnswer.model_validate_json(answer.content)


def test_nothing_without_a_list_of_its_own(site: Site) -> None:
    assert ask(site).terms is None


def test_the_list_comes_signed_and_once(site: Site) -> None:
    organization = site.caller.agent.row.organization
    new = banned.change(organization, terms=["zyxopolis"], mode="audit", strict=True, now=timezone.now(), by="test")
    answer = ask(site).terms
    assert answer is not None
    content = b64decode(answer.content)
    verify_banned_terms(settings.KEYRING.requests_public, content, b64decode(answer.signature))
    assert BannedTerms.model_validate_json(content) == new
    assert (new.terms, new.mode, new.strict) == ("zyxopolis", "audit", True)
    assert ask(site, new.version).terms is None
    newer = banned.change(organization, mode="enforce", now=timezone.now(), by="test")
    assert newer.version > new.version
    assert newer.terms == "zyxopolis"
    assert ask(site, new.version).terms is not None


def test_a_hundred_thousand_terms_pass_through_the_door(site: Site, tmp_path: Path) -> None:
    terms = [f"longish-term-{number:03x}" if number < 2 else f"{number:016x}" for number in range(100_000)]
    banned.change(site.caller.agent.row.organization, terms=terms, now=timezone.now(), by="test")
    answer = ask(site).terms
    assert answer is not None
    assert len(answer.content) < 3_000_000
    assert BannedList.objects.count() == 1


def test_a_real_agent_takes_it_through_the_door_and_enforces_it(site: Site, tmp_path: Path) -> None:
    row = site.caller.agent.row
    identity = Identity(
        row.id,
        row.organization_id,
        "Example",
        "agent",
        str(site.caller.http.base_url),
        settings.KEYRING.requests_public,
        audience(),
        "",
        {},
    )
    events = EventLog(tmp_path, SystemClock())
    screen = Screen(Passwords(), identity=identity, state_dir=tmp_path, events=events)
    client = http_client(None, ProxyConfig())
    link = Link(client, identity, str(site.caller.http.base_url).rstrip("/"), site.caller.agent.sign, SystemClock())
    assert link.newer_banned_terms(screen.version) is None

    banned.change(row.organization, terms=["zyxopolis"], strict=True, now=timezone.now(), by="test")
    signed = link.newer_banned_terms(screen.version)
    assert signed is not None
    assert screen.take(signed)
    assert [found.code for found in screen.judge("Zyx0polis-zyx0polis", PersonNames(""))] == ["banned"]
    assert link.newer_banned_terms(screen.version) is None
    link.close()
    events.close()
