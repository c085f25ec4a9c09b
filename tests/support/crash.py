"""A person who goes on whatever dies around them, and whether what they were told is what the directory holds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from lab import api
from lab.api import SignIn
from lab.people import Person
from lab.stack import AgentProcess, PortalProcess
from tests.support.person import NoCode, Page, PersonAtBrowser
from tests.support.whole import Whole, fresh_password

__all__ = [
    "Story",
    "assert_agreement",
    "change_whatever_happens",
    "doomed_agent",
    "held_agent",
    "mortal",
    "recover_whatever_happens",
]

_HERE = Path(__file__).parent
_TOLD = {"Your password is changed": "done", "We don't know whether your password was changed": "unsure"}


def mortal(portal: PortalProcess) -> Path:
    """From its next start on this part of the portal kills itself once, at the point that is written into this file."""
    armed = portal.log.with_suffix(".point")
    portal.arguments = [sys.executable, "-m", "tests.support.crashing_portal", str(armed), *portal.arguments[1:]]
    return armed


def doomed_agent(agent: AgentProcess, point: str) -> AgentProcess:
    return AgentProcess(
        agent.name, agent.config, agent.log.parent, wrapper=[sys.executable, _HERE / "crashing_agent.py", point]
    )


def held_agent(agent: AgentProcess, point: str, gate: Path) -> AgentProcess:
    wrapper: list[str | Path] = [sys.executable, "-m", "tests.support.waiting_agent", point, gate]
    return AgentProcess(agent.name, agent.config, agent.log.parent, wrapper=wrapper)


@dataclass(slots=True)
class Story:
    """``passwords``: as sent, the last one last. ``told``: done, refused or unsure. ``end``: the last page."""

    person: Person
    passwords: list[str] = field(default_factory=list)
    told: str = ""
    end: Page | None = None


def recover_whatever_happens(
    whole: Whole, person: Person, *, repair: Callable[[], object] = lambda: None, timeout: float = 90
) -> Story:
    """Walks the recovery to an end, as somebody does who reloads the page when something breaks.

    ``repair`` is called before each look at where the recovery is: a test restarts there what it finds dead. Every time
    a password is asked for another one is sent, so that the directory shows which of them it took.
    """
    with whole.browser(timeout=20) as browser:
        return _to_its_end(browser, person, lambda: browser.identify(whole.user_id(person)), repair, timeout)


def change_whatever_happens(
    whole: Whole,
    person: Person,
    current: str,
    *,
    arm: Callable[[], object],
    repair: Callable[[], object],
    timeout: float = 90,
) -> Story:
    """The same with a change: signs in, comes to the page for the new password, and calls ``arm``."""
    with whole.browser(timeout=20) as browser:
        browser.sign_in(whole.user_id(person), current)

        def begin() -> Page:
            browser.get("/account/password")
            return browser.post("/account/password")

        begin()
        browser.wait_for_choose()
        arm()
        return _to_its_end(browser, person, begin, repair, timeout, current)


def _to_its_end(
    browser: PersonAtBrowser,
    person: Person,
    begin: Callable[[], object],
    repair: Callable[[], object],
    timeout: float,
    current: str | None = None,
) -> Story:
    story = Story(person)
    end = time.monotonic() + timeout
    while not story.told:
        if time.monotonic() > end:
            raise AssertionError(f"no end within {timeout:g} s; sent {len(story.passwords)} passwords")
        repair()
        try:
            page = browser.get("/recover/prove")
            if page.status >= 500:
                raise httpx2.TransportError(f"{page.status}")
            if page.path == "/recover/":
                begin()
            elif page.path == "/recover/prove":
                browser.choose_email(person.mail_address)
                browser.enter_code(browser.read_code(person.mail_address, timeout=3))
            elif page.path == "/recover/wait":
                browser.http.get("/recover/state")
                time.sleep(0.05)
            elif page.path == "/recover/password":
                story.passwords.append(fresh_password())
                browser.send(browser.seal(story.passwords[-1], current))
            elif page.path == "/recover/outcome":
                story.end = page
                story.told = _told(page)
            else:
                raise AssertionError(f"lost at {page.path}: {page.text}")
        except httpx2.TransportError:
            time.sleep(0.1)
        except NoCode:
            continue  # its sender died: the person asks for another one
    return story


def _told(page: Page) -> str:
    if page.refusal:
        return "refused"
    if page.title not in _TOLD:
        raise AssertionError(f"an end that no crash explains: {page.title}: {page.text}")
    return _TOLD[page.title]


def assert_agreement(
    whole: Whole, story: Story, old_password: str, version_before: int, *, controller_died: bool = False
) -> None:
    """What the person was told is what the directory holds, and no password was written twice."""
    account = story.person.account
    resets = [event for event in whole.resets_of(story.person) if event.by_service and event.succeeded]
    written = api.password_version(whole.forest, account) - version_before
    assert len(resets) <= 1
    # Samba audits a write just before it commits it: a controller killed in between has it in its audit only.
    assert written == len(resets) or (controller_died and written == 0)
    holds = [password for password in story.passwords if api.kinit(whole.forest, account, password) is SignIn.OK]
    if story.told == "done":
        assert holds == story.passwords[-1:]
        assert api.kinit(whole.forest, account, old_password) is SignIn.WRONG_PASSWORD
        assert written == 1
    elif story.told == "refused":
        assert holds == []
        assert api.kinit(whole.forest, account, old_password) is SignIn.OK
        assert written == 0
    else:
        raise AssertionError(f"nobody knows: {story.end and story.end.text}")
