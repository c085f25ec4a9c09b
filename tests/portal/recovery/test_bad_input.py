"""Whatever a browser could not have sent is answered with a clear 4xx, and nothing happens."""

from urllib.parse import quote_plus

import pytest
from django.conf import settings
from tests.portal.walk import Page, Walker, read

from keyback.portal.recovery.models import Challenge, Recovery

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def page(walker: Walker) -> Page:
    return walker.get("/recover/")


def raw(walker: Walker, page: Page, body: bytes, content_type: str = FORM, path: str = "/recover/") -> Page:
    token = page.forms["/recover/"]["csrfmiddlewaretoken"]
    return read(walker.client.post(path, body, content_type=content_type, headers={"X-CSRFToken": token}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"user_id=ada",
        b"work=x",
        b"user_id=a&user_id=b&work=x",
        b"user_id=a&work=x&work=y",
        b"user_id[]=a&work=x",
        b"user_id[x]=a&work=x",
        b"user_id=a&work=x&admin=1",
        b"user_id=a%00b&work=x",
        b"user_id=a%0Ab&work=x",
        b"user_id=%FF%FE&work=x",
        b"user_id=" + b"a" * 257 + b"&work=x",
        b"user_id=a&work=" + b"x" * 2001,
        b"user_id=a&token=x&work=y&characters=z",
        b"user_id=a&token=" + b"x" * 201 + b"&characters=z",
        b"&".join(b"f%d=1" % number for number in range(60)),
    ],
)
def test_a_malformed_form_is_400(body: bytes, walker: Walker, page: Page) -> None:
    answer = raw(walker, page, body)
    assert answer.status == 400
    assert answer.heading == "We could not read that"
    assert Recovery.objects.count() == 0


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", "x/y"])
def test_another_kind_of_body_is_400(content_type: str, walker: Walker, page: Page) -> None:
    assert raw(walker, page, b'{"user_id": "ada"}', content_type).status == 400


def test_a_file_is_refused(walker: Walker, page: Page) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="user_id"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nada\r\n--x--\r\n"
    )
    assert raw(walker, page, body, "multipart/form-data; boundary=x").status == 400


def test_too_much_is_413(walker: Walker, page: Page) -> None:
    answer = raw(walker, page, b"user_id=" + b"a" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    assert answer.status == 413
    assert answer.heading == "That was too much at once"


@pytest.mark.parametrize("typed", ["", "   ", "\u200b", "\ue000"])
def test_an_empty_user_id_is_asked_for_again(typed: str, walker: Walker, page: Page) -> None:
    body = f"user_id={quote_plus(typed)}&work=x".encode()
    answer = raw(walker, page, body)
    assert answer.status == 422
    assert "Enter your user ID." in answer.text


@pytest.mark.parametrize(
    "typed", ["*)(uid=*", "ada)(|(cn=*", "\\2a", "'; DROP TABLE x; --", "<script>alert(1)</script>", "{{7*7}}", "%s%n"]
)
def test_metacharacters_are_only_text(typed: str, walker: Walker) -> None:
    assert walker.identify(typed).heading == "How do you want to prove it is you?"
    page = walker.get("/recover/")
    again = walker.post("/recover/", page.forms["/recover/"] | {"user_id": typed})
    assert "<script>alert" not in again.response.content.decode()
    assert again.forms["/recover/"]["user_id"] == typed


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
@pytest.mark.parametrize("path", ["/recover/", "/recover/prove", "/recover/state", "/contact", "/recover/password"])
def test_other_methods_are_405_with_a_page(method: str, path: str, walker: Walker, page: Page) -> None:
    token = page.forms["/recover/"]["csrfmiddlewaretoken"]
    answer = read(getattr(walker.client, method)(path, headers={"X-CSRFToken": token}))
    assert answer.status == 405
    assert "GET" in answer.response["Allow"]
    assert answer.heading == "This page cannot be used like that"


@pytest.mark.parametrize("code", [b"code=1&code=2", b"code[]=12345678", b"code=1234%005678", b"code=" + b"1" * 41])
def test_a_malformed_code_form_burns_no_try(code: bytes, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    form = page.forms["/recover/email/"]
    body = f"csrfmiddlewaretoken={form['csrfmiddlewaretoken']}&step={form['step']}&".encode() + code
    answer = read(walker.client.post("/recover/email/", body, content_type=FORM))
    assert answer.status == 400
    assert Challenge.objects.get().tries_left == 5


def test_a_session_cookie_that_is_not_ours_is_nobody(walker: Walker) -> None:
    for value in ["x", "a" * 5000, "\u00e9", "../../etc/passwd"]:
        walker.client.cookies["keyback"] = value
        assert walker.get("/recover/prove").heading == "Who are you?"


@pytest.mark.parametrize(
    "path", ["/recover/%00", "/%ff", "/recover/characters/x/image", "/organization/no.css", "/recover/x"]
)
def test_an_address_that_is_not_there_is_404(path: str, walker: Walker) -> None:
    answer = read(walker.client.get(path))
    assert answer.status == 404
    assert answer.heading == "There is no such page"
