"""Known and unknown people look alike: pages, statuses, sizes, headers, queries and rows, until the first gate."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from tests.portal.agents import AgentWithKeys
from tests.portal.recovery.conftest import Clock
from tests.portal.walk import Page, Walker, mails, newest_code

from keyback.portal.messages.models import Message
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Challenge

KNOWN = "ada@example.test"
UNKNOWN = [
    "eve@example.test",  # nobody of that name
    "ada@elsewhere.test",  # no such domain
    "adx",  # no domain at all
    "CORP\\eve",
    "mia@example.test",  # somebody without a mailbox
    "leo@example.test",  # somebody who left
    "max@example.test",  # somebody disabled
]


@pytest.fixture
def people(make_ada: Callable[..., Person], agent: AgentWithKeys) -> None:
    make_ada()
    make_ada("mia", mail=False)
    leo, gone = make_ada("leo"), make_ada("max")
    Person.objects.filter(id=leo.id).update(removed_at=leo.organization.created_at)
    Person.objects.filter(id=gone.id).update(enabled=False)


class Steps:
    """Walks one person and notes, of each step, what an onlooker at the browser or at the database could see."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seen: list[dict[str, Any]] = []

    def note(self, name: str, do: Callable[[], Page]) -> Page:
        self.clock.forward(seconds=1)
        rows = _rows()
        with CaptureQueriesContext(connection) as queries:
            page = do()
        after = _rows()
        self.seen.append(
            {
                "step": name,
                "status": page.status,
                "title": page.title,
                "text": page.text.replace(page.response["Keyback-Tracking-Id"], "…"),
                "size": len(page.response.content),
                "headers": sorted(page.response.headers),
                "cookies": sorted(page.response.cookies),
                "queries": [_shape(query["sql"]) for query in queries],
                "rows": {name: after[name] - rows[name] for name in after if after[name] != rows[name]},
            }
        )
        return page


def _shape(sql: str) -> str:
    """The statement without its values, whichever database wrote them down."""
    bare = re.sub(r"::\w+| ", "", sql)
    return re.sub(r"E?'[^']*'|x'[0-9A-F]*'|\b\d+\b|s\d+_x\d+|NULL|true|false", "?", bare)


def _rows() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in apps.get_models() if model.__name__ != "Session"}


def walk(user_id: str, address: str, clock: Clock, start: datetime) -> list[dict[str, Any]]:
    """From the first page until the tries are used up, beginning at `start`: pages show times."""
    clock.stop(start)
    steps, walker = Steps(clock), Walker(address)
    page = steps.note("identify", lambda: walker.identify(user_id))
    page = steps.note("send", lambda: walker.ask_for_code(page))
    page = steps.note("wrong code", lambda: walker.type_code(page, "00000000"))
    page = steps.note("send again", lambda: walker.ask_for_code(page))
    for number in range(4):
        page = steps.note(f"wrong {number}", partial(walker.type_code, page, "0000 0000"))
    page = steps.note("one too many", lambda: walker.type_code(page, "00000000"))
    return steps.seen


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("unknown", UNKNOWN)
def test_an_onlooker_sees_no_difference(unknown: str, clock: Clock) -> None:
    start = timezone.now()
    walk("first@example.test", "192.0.2.3", clock, start)  # the organization's own counter is there afterwards
    known_steps = walk(KNOWN, "192.0.2.1", clock, start)
    for known_step, unknown_step in zip(known_steps, walk(unknown, "192.0.2.2", clock, start), strict=True):
        assert known_step["queries"] == unknown_step["queries"]
        assert known_step == unknown_step


@pytest.mark.usefixtures("people")
def test_nothing_is_sent_to_unknown_people() -> None:
    walker = Walker()
    walker.ask_for_code(walker.identify("eve@example.test"))
    assert Message.objects.get().discard


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("unknown", UNKNOWN)
def test_a_guessed_code_opens_no_gate_for_somebody_to_whom_none_was_sent(unknown: str) -> None:
    walker = Walker()
    page = walker.ask_for_code(walker.identify(unknown))
    page = walker.type_code(page, newest_code())
    assert page.status == 422
    assert "That is not the code." in page.text
    assert walker.recovery().state == "prove"


@pytest.mark.usefixtures("people")
def test_the_page_before_the_gate_shows_no_mask_and_every_method_of_the_organization() -> None:
    known, unknown = Walker().identify(KNOWN), Walker().identify("eve@example.test")
    assert "Get a code by e-mail" in known.text
    assert "••••" not in known.text
    assert known.text.replace(known.response["Keyback-Tracking-Id"], "") == unknown.text.replace(
        unknown.response["Keyback-Tracking-Id"], ""
    )


@pytest.mark.usefixtures("people")
def test_an_organization_may_choose_to_explain(organization: Organization) -> None:
    Organization.objects.update(explain_to_person=True)
    assert "a••••@p••••.test" in Walker().identify(KNOWN).text
    page = Walker().identify("eve@example.test")
    assert page.heading == "We couldn't verify your account"
    assert "SSPR_0014" in page.text
    assert Walker().identify("mia@example.test").heading == "We couldn't verify your account"


@pytest.mark.usefixtures("people")
def test_a_mailbox_removed_after_the_sending_makes_its_code_worthless() -> None:
    walker = Walker()
    page = walker.ask_for_code(walker.identify(KNOWN))
    code = newest_code()
    assert mails()[-1]["to"] == "ada@private.test"
    Challenge.objects.get().datum.delete()  # type: ignore[union-attr]
    assert walker.type_code(page, code).status == 422
