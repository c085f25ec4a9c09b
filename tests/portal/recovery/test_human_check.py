"""The human check: a little work by the browser, or characters as image and sound. Each counts once."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone
from tests.portal.recovery.conftest import Clock
from tests.portal.walk import Walker, solve

from keyback.portal.humancheck import characters, work
from keyback.portal.humancheck.models import SpentCheck
from keyback.portal.humancheck.spent import HumanCheckFailed
from keyback.portal.humancheck.views import SPOKEN
from keyback.portal.limits.budgets import spend
from keyback.portal.organizations.models import Organization
from keyback.portal.recovery.models import Recovery


def characters_of(token: str) -> str:
    return characters._open(token, timezone.now())


def test_the_first_page_writes_no_row_and_starts_no_session(
    walker: Walker, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        page = walker.get("/recover/")
    assert "keyback" not in page.response.cookies
    assert SpentCheck.objects.count() == 0


def test_a_solution_counts_once(walker: Walker) -> None:
    page = walker.get("/recover/")
    fields = page.forms["/recover/"] | {"user_id": "ada@example.test", "work": solve(page.data["work-challenge"])}
    assert walker.post("/recover/", fields).heading == "How do you want to prove it is you?"
    again = walker.post("/recover/", fields)
    assert again.status == 422
    assert "has run out" in again.text
    assert Recovery.objects.count() == 1


def test_a_refused_check_keeps_what_was_typed_and_brings_a_new_one(walker: Walker) -> None:
    page = walker.get("/recover/")
    typed = {"user_id": "ada@example.test", "work": "bm90aGluZw=="}
    again = walker.post("/recover/", page.forms["/recover/"] | typed)
    assert again.status == 422
    assert again.forms["/recover/"]["user_id"] == "ada@example.test"
    assert again.data["work-challenge"] != page.data["work-challenge"]


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["challenge"]["parameters"].update(cost=0),
        lambda p: p["challenge"]["parameters"].update(keyPrefix=""),
        lambda p: p["challenge"]["parameters"].update(expiresAt=9_999_999_999),
        lambda p: p["challenge"].update(signature="0" * 64),
        lambda p: p["challenge"].pop("signature"),
        lambda p: p["solution"].update(counter=p["solution"]["counter"] + 1),
        lambda p: p["solution"].update(derivedKey="00" * 32),
    ],
)
def test_a_changed_challenge_or_solution_is_refused(db: None, change: object) -> None:
    payload = json.loads(base64.b64decode(solve(work.begin(timezone.now()))))
    change(payload)  # type: ignore[operator]
    with pytest.raises(HumanCheckFailed):
        work.complete(base64.b64encode(json.dumps(payload).encode()).decode(), timezone.now())


def test_the_same_solution_spelled_otherwise_counts_once_too(db: None) -> None:
    payload = solve(work.begin(timezone.now()))
    work.complete(payload, timezone.now())
    other = base64.b64encode(json.dumps(json.loads(base64.b64decode(payload)), indent=1).encode()).decode()
    with pytest.raises(HumanCheckFailed):
        work.complete(other, timezone.now())


@pytest.mark.django_db(transaction=True)
def test_of_parallel_uses_exactly_one_counts() -> None:
    payload = solve(work.begin(timezone.now()))

    def use(_number: int) -> bool:
        try:
            work.complete(payload, timezone.now())
        except HumanCheckFailed:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(16))) == 1


def test_without_javascript_the_same_form_leads_to_characters(walker: Walker) -> None:
    page = walker.get("/recover/")
    page = walker.post("/recover/", page.forms["/recover/"] | {"user_id": "ada@example.test"})
    assert page.status == 422
    fields = page.forms["/recover/"]
    assert fields["user_id"] == "ada@example.test"
    typed = {"characters": characters_of(fields["token"]).lower()}
    assert walker.post("/recover/", fields | typed).heading == "How do you want to prove it is you?"


def test_characters_are_shown_and_spoken(walker: Walker) -> None:
    token = walker.get("/recover/characters").forms["/recover/"]["token"]
    image = walker.client.get(f"/recover/characters/{token}/image")
    assert image["Content-Type"] == "image/png"
    assert image.content.startswith(b"\x89PNG")
    assert image["Cache-Control"] == "no-store"
    sound = walker.client.get(f"/recover/characters/{token}/sound")
    assert sound["Content-Type"] == "audio/wav"
    assert sound.content.startswith(b"RIFF")
    assert walker.client.get(f"/recover/characters/{token[:-4]}AAAA/image").status_code == 404


def test_the_token_does_not_tell_the_characters(walker: Walker) -> None:
    token = walker.get("/recover/characters").forms["/recover/"]["token"]
    assert characters_of(token).encode() not in base64.urlsafe_b64decode(token)


@pytest.mark.parametrize("first_try", ["right", "wrong"])
def test_characters_are_worth_one_answer_right_or_wrong(first_try: str, walker: Walker) -> None:
    fields = walker.get("/recover/characters").forms["/recover/"] | {"user_id": "ada@example.test"}
    right = characters_of(fields["token"])
    walker.post("/recover/", fields | {"characters": right if first_try == "right" else "222222"})
    page = walker.post("/recover/", fields | {"characters": right})
    assert page.status == 422
    assert "Those were not the characters." in page.text


def test_characters_run_out(walker: Walker, clock: Clock) -> None:
    fields = walker.get("/recover/characters").forms["/recover/"] | {"user_id": "ada@example.test"}
    right = characters_of(fields["token"])
    clock.forward(minutes=11)
    assert walker.post("/recover/", fields | {"characters": right}).status == 422


def test_an_organization_may_prefer_characters(walker: Walker) -> None:
    Organization.objects.update(human_check="characters")
    assert "token" in walker.get("/recover/").forms["/recover/"]


def test_drawing_has_a_limit(walker: Walker) -> None:
    token = walker.get("/recover/characters").forms["/recover/"]["token"]
    statuses = [walker.client.get(f"/recover/characters/{token}/image").status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]


def test_speaking_has_a_limit_of_its_own(organization: Organization, walker: Walker) -> None:
    """It costs twenty times as much."""
    token = walker.get("/recover/characters").forms["/recover/"]["token"]
    for _ in range(19):
        spend(organization.id, SPOKEN, "127.0.0.1", now=timezone.now())
    statuses = [
        walker.client.get(f"/recover/characters/{token}/{what}").status_code for what in ("sound",) * 2 + ("image",)
    ]
    assert statuses == [200, 429, 200]


def test_used_checks_are_forgotten_when_they_are_old(walker: Walker, clock: Clock) -> None:
    walker.identify("ada@example.test")
    clock.forward(hours=2)
    SpentCheck.objects.update(expires_at=timezone.now())
    work_after = solve(work.begin(timezone.now()))
    work.complete(work_after, timezone.now())
    assert SpentCheck.objects.count() == 1
