"""Whatever comes through the people's door: a clear 4xx, nothing lost, nothing secret logged, never a 500."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyback.portal.limits.models import Counter
from keyback.portal.logs import JsonLine
from keyback.portal.messages.models import Message
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Recovery
from keyback.portal.writeback.models import WritebackRequest
from tests.portal.walk import FakeDirectory, Page, Walker, boxes_for, newest_code, read, solve

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
CANARY = "Canary-Kanarienvogel-7"
CLEAR = {400, 403, 404, 405, 409, 413, 415, 422, 429}

_PATHS = (
    "/recover/",
    "/recover/characters",
    "/recover/characters/x/image",
    "/recover/prove",
    "/recover/email/",
    "/recover/email/send",
    "/recover/wait",
    "/recover/state",
    "/recover/password",
    "/recover/password/plain",
    "/recover/outcome",
    "/contact",
)


@pytest.fixture(autouse=True)
def nothing_secret_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is printed is what JsonLine makes of a record; no test of this file may make it print the canary."""
    caplog.set_level(logging.DEBUG)
    yield
    printed = "\n".join(JsonLine().format(record) for record in caplog.records if "sql" not in record.__dict__)
    assert CANARY not in printed


class Door:
    """A browser that has left the pages behind, and posts whatever it likes. CSRF is not what stops it here."""

    def __init__(self, walker: Walker | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        if walker is not None:
            self.client.cookies = walker.client.cookies

    def post(self, path: str, body: bytes, content_type: str = FORM) -> HttpResponse:
        Counter.objects.all().delete()  # limits have tests of their own
        return self.client.generic("POST", path, body, content_type=content_type)


def _work() -> str:
    return solve(read(Client().get("/recover/")).data["work-challenge"])


def _variants(name: str, value: str) -> dict[str, bytes]:
    """One field of an honest form, bent in every way that has broken such tools before."""
    pair = urlencode({name: value}).encode()
    return {
        "repeated": pair + b"&" + pair,
        "as a list": pair.replace(name.encode() + b"=", name.encode() + b"%5B%5D="),
        "nested": pair.replace(name.encode() + b"=", name.encode() + b"%5Ba%5D%5Bb%5D="),
        "missing": b"",
        "huge": name.encode() + b"=" + b"a" * 200_000,
        "with NUL": pair + b"%00",
        "with a line break": pair + b"%0d%0aBcc:%20eve@example.test",
        "not UTF-8": pair + b"%ff%fe",
        "a lone surrogate": pair + b"%ed%a0%80",
        "with a stranger": pair + b"&is_admin=1",
        "with a charset of its own": pair + b"&_charset_=utf-7",
    }


_KINDS = tuple(_variants("x", "y"))


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("name", ["user_id", "work"])
def test_the_first_form(ada: Person, name: str, kind: str) -> None:
    honest = {"user_id": "ada@example.test", "work": _work()}
    body = urlencode({k: v for k, v in honest.items() if k != name}).encode() + b"&"
    response = Door().post("/recover/", body + _variants(name, honest[name])[kind])
    assert response.status_code in (400, 413)
    assert not Recovery.objects.exists()


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("name", ["code", "step"])
def test_the_form_for_the_code_costs_no_try(ada: Person, walker: Walker, name: str, kind: str) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    honest = {"step": page.forms["/recover/email/"]["step"], "code": newest_code()}
    body = urlencode({k: v for k, v in honest.items() if k != name}).encode() + b"&"
    response = Door(walker).post("/recover/email/", body + _variants(name, honest[name])[kind])
    assert response.status_code in (400, 413)
    # and the honest form still opens the gate
    assert walker.type_code(page, newest_code()).response.status_code == 200
    assert walker.recovery().state == "inspect"


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("name", ["new_password", "new_password_again", "step"])
def test_the_password_form_without_javascript(cleo: Person, walker: Walker, name: str, kind: str) -> None:
    walker.prove("cleo@example.test")
    page = walker.get("/recover/password/plain")
    step = page.forms["/recover/password/plain"]["step"]
    honest = {"new_password": CANARY, "new_password_again": CANARY, "step": step}
    body = urlencode({k: v for k, v in honest.items() if k != name}).encode() + b"&"
    response = Door(walker).post("/recover/password/plain", body + _variants(name, honest[name])[kind])
    assert response.status_code in (400, 413)
    assert CANARY not in response.content.decode()
    assert walker.recovery().state == "choose"
    assert walker.post("/recover/password/plain", page.forms["/recover/password/plain"] | honest).status == 200
    assert walker.recovery().state == "done"


@pytest.fixture
def choosing(ada: Person, walker: Walker, directory: FakeDirectory) -> Page:
    """The page with the password fields, for a person of the directory."""
    walker.prove("ada@example.test")
    directory.inspect(ada)
    return walker.get("/recover/password")


_BAD_BODIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "empty": lambda honest: {},
    "null": lambda honest: None,
    "a list": lambda honest: [honest],
    "a text": lambda honest: "boxes",
    "a number": lambda honest: 7,
    "no boxes": lambda honest: honest | {"boxes": {}},
    "boxes as a list": lambda honest: honest | {"boxes": list(honest["boxes"].values())},
    "a box as a number": lambda honest: honest | {"boxes": dict.fromkeys(honest["boxes"], 7)},
    "a box as null": lambda honest: honest | {"boxes": dict.fromkeys(honest["boxes"])},
    "a box as a list": lambda honest: honest | {"boxes": {key: ["x"] for key in honest["boxes"]}},
    "a short box": lambda honest: honest | {"boxes": {k: v[:-4] for k, v in honest["boxes"].items()}},
    "a long box": lambda honest: honest | {"boxes": {k: v + "AAAA" for k, v in honest["boxes"].items()}},
    "a box with padding": lambda honest: honest | {"boxes": {k: v + "=" for k, v in honest["boxes"].items()}},
    "a box for a stranger": lambda honest: honest | {"boxes": {"0" * 32: next(iter(honest["boxes"].values()))}},
    "a box too many": lambda honest: honest | {"boxes": honest["boxes"] | {"0" * 32: "AAAA"}},
    "an agent that is no id": lambda honest: honest | {"boxes": {"x": next(iter(honest["boxes"].values()))}},
    "step as a number": lambda honest: honest | {"step": 7},
    "step as null": lambda honest: honest | {"step": None},
    "half a character as step": lambda honest: honest | {"step": "\ud800"},
    "half a character as an agent": lambda honest: honest | {"boxes": {"\ud800": next(iter(honest["boxes"].values()))}},
    "half a character as a box": lambda honest: honest | {"boxes": dict.fromkeys(honest["boxes"], "\ud800")},
    "request_id as a number": lambda honest: honest | {"request_id": 7},
    "request_id as a list": lambda honest: honest | {"request_id": [honest["request_id"]]},
    "request_id as no id": lambda honest: honest | {"request_id": "\x00"},
    "a password in clear": lambda honest: honest | {"new_password": CANARY},
    "a password instead of boxes": lambda honest: {"new_password": CANARY, "new_password_again": CANARY},
}


@pytest.mark.parametrize("kind", _BAD_BODIES)
def test_boxes_of_wrong_types_and_shapes(walker: Walker, choosing: Page, kind: str) -> None:
    sealing = choosing.data["sealing"]
    honest = {"step": sealing["step"], "request_id": sealing["request_id"], "boxes": boxes_for(choosing, CANARY)}
    response = Door(walker).post("/recover/password", json.dumps(_BAD_BODIES[kind](honest)).encode(), JSON)
    assert response.status_code == 400
    _nothing_was_lost(walker, choosing)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"step": "x", "step": "y", "request_id": "z", "boxes": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"step": NaN, "request_id": 1e999, "boxes": ' + b"9" * 5000 + b"}",
        b"\x00" * 100,
    ],
    ids=["nothing", "cut short", "a key twice", "not UTF-8", "nested too deep", "numbers that are none", "NUL"],
)
def test_boxes_that_are_not_json(walker: Walker, choosing: Page, body: bytes) -> None:
    assert Door(walker).post("/recover/password", body, JSON).status_code == 400
    _nothing_was_lost(walker, choosing)


def test_boxes_that_are_too_large(walker: Walker, choosing: Page) -> None:
    body = b'{"step": "' + b"a" * 300_000 + b'"}'
    assert Door(walker).post("/recover/password", body, JSON).status_code == 413
    _nothing_was_lost(walker, choosing)


def test_boxes_posted_as_a_form(walker: Walker, choosing: Page) -> None:
    body = urlencode({"new_password": CANARY, "step": choosing.data["sealing"]["step"]}).encode()
    assert Door(walker).post("/recover/password", body).status_code == 400
    _nothing_was_lost(walker, choosing)


def test_boxes_sent_twice_are_taken_once(walker: Walker, choosing: Page) -> None:
    boxes = boxes_for(choosing, CANARY)
    assert walker.send_boxes(choosing, boxes).status_code == 200
    assert walker.send_boxes(choosing, boxes).status_code == 409
    assert WritebackRequest.objects.filter(operation="reset").count() == 1


def test_boxes_for_another_request_are_refused(walker: Walker, choosing: Page) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    response = walker.send_boxes(choosing, boxes_for(choosing, CANARY), request_id=other)
    assert response.status_code == 409
    _nothing_was_lost(walker, choosing)


def _nothing_was_lost(walker: Walker, page: Page) -> None:
    """The person is where they were, and their honest boxes are still taken."""
    assert not WritebackRequest.objects.filter(operation="reset").exists()
    assert walker.recovery().state == "choose"
    Counter.objects.all().delete()
    assert walker.send_boxes(page, boxes_for(page, CANARY)).status_code == 200


def test_steps_cannot_be_skipped(ada: Person, walker: Walker) -> None:
    page = walker.identify("ada@example.test")
    step = page.forms["/recover/email/send"]["step"]
    door = Door(walker)
    sealed = {"step": step, "request_id": "00000000-0000-4000-8000-000000000000", "boxes": {}}
    assert door.post("/recover/password", json.dumps(sealed).encode(), JSON).status_code == 409
    body = urlencode({"new_password": CANARY, "new_password_again": CANARY, "step": step}).encode()
    assert door.post("/recover/password/plain", body).status_code == 409
    for path in ("/recover/password", "/recover/password/plain", "/recover/wait", "/recover/outcome"):
        assert door.client.get(path).headers["Location"] == "/recover/prove"
    assert walker.recovery().state == "prove"


def test_steps_cannot_be_repeated(ada: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    form = page.forms["/recover/email/"] | {"code": newest_code()}
    assert walker.post("/recover/email/", form).response.status_code == 200
    assert walker.post("/recover/email/", form).status == 409
    assert walker.post("/recover/email/send", {k: v for k, v in form.items() if k != "code"}).status == 409
    assert Message.objects.count() == 1


def test_a_form_of_one_recovery_does_nothing_in_another(
    ada: Person, make_ada: Callable[..., Person], walker: Walker
) -> None:
    make_ada("grace")
    other = Walker()
    mine = walker.ask_for_code(walker.identify("ada@example.test"))
    other.ask_for_code(other.identify("grace@example.test"))
    step = mine.forms["/recover/email/"]["step"]
    body = urlencode({"step": step, "code": newest_code()}).encode()
    assert Door(other).post("/recover/email/", body).status_code == 409
    assert other.recovery().state == "prove"


# --- anything at all

_fields = st.lists(
    st.tuples(
        st.sampled_from(
            ["user_id", "work", "token", "characters", "code", "step", "new_password", "new_password_again", "x", ""]
        ),
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.sampled_from([b"", b"\x00", b"0000 0000", b"ada@example.test", b"\xff", b"a" * 2100, CANARY.encode()]),
        ),
    ),
    max_size=8,
)
_keys = st.sampled_from(["step", "request_id", "boxes", "x"]) | st.text(max_size=10)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=20,
)
_bodies = st.one_of(
    _fields.map(lambda pairs: (_form(pairs), FORM)),
    _json.map(lambda value: (json.dumps(value).encode(), JSON)),
    st.binary(max_size=200).map(lambda body: (body, FORM)),
    st.binary(max_size=200).map(lambda body: (body, JSON)),
    st.tuples(
        st.binary(max_size=200),
        st.sampled_from(
            [
                "multipart/form-data; boundary=x",
                "multipart/form-data",
                "multipart/form-data; boundary=",
                "multipart/form-data; boundary=\u00e9",
                "application/x-www-form-urlencoded; charset=utf-16",
                "application/x-www-form-urlencoded; charset=no-such",
                "text/plain",
                "application/json; charset=utf-7",
                "",
            ]
        ),
    ),
    _fields.map(lambda pairs: (_multipart(pairs), "multipart/form-data; boundary=x")),
)


def _form(pairs: list[tuple[str, bytes]]) -> bytes:
    return "&".join(f"{quote_from_bytes(k.encode())}={quote_from_bytes(v)}" for k, v in pairs).encode()


def _multipart(pairs: list[tuple[str, bytes]]) -> bytes:
    parts = [b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (k.encode(), v) for k, v in pairs]
    return b"".join(parts) + b"--x--\r\n"


_fuzz = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_fuzz
@given(path=st.sampled_from(_PATHS), sent=_bodies)
def test_anything_posted_by_a_stranger(ada: Person, path: str, sent: tuple[bytes, str]) -> None:
    assert Door().post(path, *sent).status_code in CLEAR


@pytest.mark.parametrize("state", ["prove", "inspect", "choose", "write", "done"])
def test_anything_posted_in_every_state(ada: Person, walker: Walker, directory: FakeDirectory, state: str) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    if state != "prove":
        page = walker.type_code(page, newest_code())
    if state not in ("prove", "inspect"):
        directory.inspect(ada)
        page = walker.get("/recover/password")
    if state in ("write", "done"):
        walker.send_boxes(page, boxes_for(page, CANARY))
    if state == "done":
        directory.write()
    assert walker.recovery().state == state

    @_fuzz
    @given(path=st.sampled_from(_PATHS[3:]), sent=_bodies)
    def anything(path: str, sent: tuple[bytes, str]) -> None:
        answer = Door(walker).post(path, *sent)
        assert answer.status_code in CLEAR
        assert CANARY not in answer.content.decode("utf-8", "replace")

    anything()
    assert walker.recovery().state == state


@_fuzz
@given(
    counter=st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=2)),
    key=st.one_of(st.none(), st.integers(), st.text(max_size=40), st.binary(max_size=32).map(bytes.hex)),
    change=st.dictionaries(
        st.sampled_from(["algorithm", "nonce", "salt", "cost", "keyLength", "keyPrefix", "expiresAt", "data"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=10), st.lists(st.none(), max_size=2)),
        max_size=1,
    ),
)
def test_work_that_was_not_done(ada: Person, counter: Any, key: Any, change: dict[str, Any]) -> None:
    import base64

    challenge = read(Client().get("/recover/")).data["work-challenge"]
    challenge["parameters"] |= change
    payload = {"challenge": challenge, "solution": {"counter": counter, "derivedKey": key, "time": 1}}
    work = base64.b64encode(json.dumps(payload).encode()).decode()
    body = urlencode({"user_id": "ada@example.test", "work": work}).encode()
    assert Door().post("/recover/", body).status_code in (400, 422)


@_fuzz
@given(query=st.binary(max_size=40), path=st.sampled_from(_PATHS))
def test_anything_in_a_query(ada: Person, path: str, query: bytes) -> None:
    answer = Client(raise_request_exception=False).get(f"{path}?{quote_from_bytes(query)}")
    assert answer.status_code in (200, 302, 404, 405)


@_fuzz
@given(rest=st.binary(max_size=40))
def test_anything_in_a_path(ada: Person, rest: bytes) -> None:
    client = Client(raise_request_exception=False)
    for prefix in ("/", "/recover/", "/recover/characters/", "/organization/", "/static/"):
        answer = client.get(prefix + quote_from_bytes(rest, safe="/"))
        assert answer.status_code in (200, 302, 301, 404, 405, 429)


_cookies = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=';,"'), max_size=60),
    st.sampled_from(
        ['"' + "\\000" * 12 + '"', '"\\015\\012Set-Cookie: x=y"', "a" * 4000, "'", "%00" * 12, "\\x00" * 9]
    ),
)


@_fuzz
@given(
    name=st.sampled_from(["keyback", "keyback-csrf", "keyback-device", "django_language", "messages"]), value=_cookies
)
def test_anything_in_a_cookie(ada: Person, name: str, value: str) -> None:
    client = Client(raise_request_exception=False)
    for path in ("/recover/", "/recover/prove", "/recover/state", "/contact"):
        answer = client.get(path, headers={"Cookie": f"{name}={value}"})
        assert answer.status_code in (200, 302), path
    body = urlencode({"user_id": "ada@example.test", "work": _work()}).encode()
    Counter.objects.all().delete()
    answer = client.generic("POST", "/recover/", body, content_type=FORM, headers={"Cookie": f"{name}={value}"})
    assert answer.status_code in (302, 403)
