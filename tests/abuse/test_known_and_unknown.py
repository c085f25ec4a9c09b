"""Before the first gate nobody can tell who exists: pages, statuses, sizes, headers, queries and rows are the same, and
as many rows are turned into objects."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import httpx2
import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_init
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from keyback.portal.limits.models import Counter
from keyback.portal.people.models import Person, Spelling
from lab.people import Kind
from tests.portal.agents import AgentWithKeys
from tests.portal.walk import Walker, read, solve
from tests.support.person import PersonAtBrowser
from tests.support.whole import Whole

_LITERAL = re.compile(
    r"""\s*(?:E?'(?:[^'\\]|''|\\.)*'(?:::\w+)?|"s\d+_x\d+"|\b\d+(?:\.\d+)?\b|\b(?:null|true|false)\b)""", re.IGNORECASE
)
_CHANGING = ("Set-Cookie", "Keyback-Tracking-Id", "Date", "Content-Length", "Retry-After")


@dataclass(frozen=True)
class Seen:
    """One step, from outside (status, where to, size, headers) and from inside (statements, rows, objects made)."""

    step: str
    status: int
    location: str
    size: int
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]
    statements: tuple[str, ...]
    rows: tuple[tuple[str, int], ...]
    made: int


class Watcher:
    """Walks the road up to the first gate, without following redirects, and notes what each step shows and costs."""

    def __init__(self) -> None:
        self.walker = Walker()
        self.seen: list[Seen] = []
        self.page: HttpResponse = HttpResponse()
        self._rows = _rows()

    def get(self, step: str, path: str) -> None:
        self._note(step, lambda: self.walker.client.get(path))

    def post(self, step: str, path: str, **typed: str) -> None:
        fields = read(self.page).forms[path] | typed
        self._note(step, lambda: self.walker.client.post(path, fields))

    def _note(self, step: str, act: Callable[[], HttpResponse]) -> None:
        before = self._rows
        made: list[object] = []

        def count(sender: object, **_: object) -> None:
            made.append(sender)

        post_init.connect(count)
        try:
            with CaptureQueriesContext(connection) as queries:
                response = act()
        finally:
            post_init.disconnect(count)
        after = self._rows = _rows()
        if response.content and response.status_code != 429:
            self.page = response
        self.seen.append(
            Seen(
                step,
                response.status_code,
                response.get("Location", ""),
                len(response.content),
                tuple(sorted((n, v) for n, v in response.headers.items() if n not in _CHANGING)),
                tuple(sorted(response.cookies)),
                tuple(_LITERAL.sub("?", query["sql"]) for query in queries.captured_queries),
                tuple(
                    (table, after[table] - before[table]) for table in sorted(after) if after[table] != before[table]
                ),
                len(made),
            )
        )

    def walk(self, user_id: str) -> list[Seen]:
        self.get("first page", "/recover/")
        work = solve(read(self.page).data["work-challenge"])
        self.post("user ID", "/recover/", user_id=user_id, work=work)
        self.get("how to prove", "/recover/prove")
        self.post("send a code", "/recover/email/send")
        self.get("type the code", "/recover/email/")
        for number in range(1, 6):
            self.post(f"wrong code {number}", "/recover/email/", code="0000 0000")
        self.post("a code after the last try", "/recover/email/", code="0000 0000")
        self.get("how to prove, again", "/recover/prove")
        self.post("send another code", "/recover/email/send")
        self.get("type the other code", "/recover/email/")
        self.get("a page that is not yet due", "/recover/password")
        self.get("another page that is not yet due", "/recover/outcome")
        self.get("the state", "/recover/state")
        self.get("help", "/contact")
        return self.seen


def _rows() -> dict[str, int]:
    tables = [model._meta.db_table for model in apps.get_models()]
    counts = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables)  # noqa: S608 — our own
    with connection.cursor() as cursor:
        cursor.execute(counts)
        return dict(cursor.fetchall())


def _disabled(person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(enabled=False)


def _removed(person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(removed_at=person.organization.created_at)


def _ambiguous(person: Person) -> None:
    twin = Person.objects.create(organization=person.organization, source=person.source, user_id="twin@example.test")
    Spelling.objects.create(organization=person.organization, person=twin, text="grace@example.test")


@pytest.fixture
def unknown(make_ada: Callable[..., Person], agent: AgentWithKeys) -> list[Seen]:
    make_ada("heidi")  # an organization has people
    Watcher().walk("warm-up@example.test")  # caches of the process, such as content types
    Counter.objects.all().delete()
    return _walk("nobody@example.test")


def assert_alike(one: Sequence[Any], other: Sequence[Any]) -> None:
    """Equal, or an AssertionError that names the first step and what differs there."""
    for left, right in zip(one, other, strict=True):
        for item in fields(left):
            mine, theirs = getattr(left, item.name), getattr(right, item.name)
            if isinstance(mine, tuple) and isinstance(theirs, tuple) and mine != theirs:
                only = [x for x in mine if x not in theirs], [x for x in theirs if x not in mine]
                raise AssertionError(f"{left.step}: {item.name} ({len(mine)}, {len(theirs)}): {only}")
            assert mine == theirs, f"{left.step}: {item.name}"


def _walk(user_id: str) -> list[Seen]:
    seen = Watcher().walk(user_id)
    Counter.objects.all().delete()  # each walks from a clean slate; the counters have tests of their own
    return seen


@pytest.mark.parametrize(
    "user_id",
    [
        "grace@example.test",
        "GRACE@Example.TEST",
        "  grace@example.test ",
        "grace",
        "CORP\\grace",
        "ｇｒａｃｅ@example.test",
        "grace@elsewhere.example",
        "*@example.test",
        "grace)(objectClass=*",
    ],
)
def test_every_spelling_of_a_known_person_looks_like_an_unknown_one(
    make_ada: Callable[..., Person], unknown: list[Seen], user_id: str
) -> None:
    make_ada("grace")
    assert_alike(_walk(user_id), unknown)


@pytest.mark.parametrize("change", [_disabled, _removed, _ambiguous])
def test_whatever_the_state_of_the_account_it_looks_like_an_unknown_one(
    make_ada: Callable[..., Person], unknown: list[Seen], change: Callable[[Person], None]
) -> None:
    change(make_ada("grace"))
    assert_alike(_walk("grace@example.test"), unknown)


def test_a_person_without_mail_looks_like_an_unknown_one(make_ada: Callable[..., Person], unknown: list[Seen]) -> None:
    make_ada("grace", mail=False)
    assert_alike(_walk("grace@example.test"), unknown)


def test_a_person_of_the_portal_looks_like_one_of_the_directory(cleo: Person) -> None:
    _walk("warm-up@example.test")
    assert_alike(_walk("cleo@example.test"), _walk("nobody@example.test"))


def test_the_second_walk_of_a_known_person_runs_into_the_same_blocks(
    make_ada: Callable[..., Person], agent: AgentWithKeys
) -> None:
    """The counters' own refusals (429) come at the same step, after the same number of tries."""
    make_ada("grace")
    _walk("warm-up@example.test")

    def twice(user_id: str) -> list[Seen]:
        first = Watcher().walk(user_id)
        again = Watcher().walk(user_id)
        Counter.objects.all().delete()
        return first + again

    known, nobody = twice("grace@example.test"), twice("nobody@example.test")
    assert_alike(known, nobody)
    assert 429 in {seen.status for seen in known}


# --- over HTTP, with real processes


@dataclass(frozen=True)
class Answer:
    step: str
    status: int
    path: str
    size: int
    headers: tuple[tuple[str, str], ...]


_CHANGING_ON_THE_WIRE = {"date", "keyback-tracking-id", "set-cookie", "retry-after"}


def _over_http(whole: Whole, user_id: str) -> list[Answer]:
    answers: list[Answer] = []

    def keep(answer: httpx2.Response) -> None:
        for one in [*answer.history, answer]:
            shown = ((n.lower(), v) for n, v in one.headers.items() if n.lower() not in _CHANGING_ON_THE_WIRE)
            answers.append(
                Answer(one.request.method, one.status_code, one.url.path, len(one.content), tuple(sorted(shown)))
            )

    with whole.browser() as browser:
        browser.http.event_hooks = {}
        _watch(browser, keep)
        browser.identify(user_id)
        browser.choose_email()
        for _ in range(6):
            browser.enter_code("00000000")
        browser.get("/recover/prove")
        browser.get("/recover/password")
        browser.get("/recover/state")
    return answers


def _watch(browser: PersonAtBrowser, keep: Callable[[httpx2.Response], None]) -> None:
    send = browser.http.request

    def request(*args: object, **kwargs: object) -> httpx2.Response:
        answer = send(*args, **kwargs)  # type: ignore[arg-type]
        keep(answer)
        return answer

    browser.http.request = request  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def nobody(whole: Whole) -> list[Answer]:
    return _over_http(whole, f"nobody@{whole.forest.dns_domain}")


@pytest.mark.parametrize(
    "kind",
    [Kind.ORDINARY, Kind.DISABLED, Kind.LOCKED, Kind.NESTED_ADMIN, Kind.MUST_CHANGE, Kind.NO_MAIL],
    ids=lambda kind: kind.value,
)
def test_over_http_people_of_every_kind_look_like_nobody(whole: Whole, nobody: list[Answer], kind: Kind) -> None:
    person = whole.new_person(kind)
    assert_alike(_over_http(whole, whole.user_id(person)), nobody)


@pytest.mark.parametrize("spelling", ["{account}", "{netbios}\\{account}", "{ACCOUNT}@{domain}", "{mail}"])
def test_over_http_every_spelling_looks_like_nobody(whole: Whole, nobody: list[Answer], spelling: str) -> None:
    person = whole.take()
    user_id = spelling.format(
        account=person.account,
        ACCOUNT=person.account.upper(),
        netbios=whole.forest.netbios,
        domain=whole.forest.dns_domain,
        mail=person.mail_address,
    )
    assert_alike(_over_http(whole, user_id), nobody)
