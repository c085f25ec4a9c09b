"""The password page: what it carries, and what the sealed door takes."""

import json
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone
from tests.portal.walk import FakeDirectory, Page, Walker, boxes_for

from keyback.passwords import PROFILES, CharacterClass
from keyback.portal.agents.registry import revoke
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Recovery
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.preparation import Preparation
from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.messages import Finding
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import BOX_BYTES, box_info, unseal_key_bytes

NEW = "Winter-ist-kalt-7"


@pytest.fixture
def page(ada: Person, directory: FakeDirectory, walker: Walker) -> Page:
    """The page, reached honestly."""
    walker.prove("ada@example.test")
    directory.inspect(ada)
    return walker.get("/recover/wait")


def test_the_fields_have_no_name_so_no_browser_can_send_them(page: Page) -> None:
    assert set(page.forms["/recover/password"]) == {"csrfmiddlewaretoken"}
    html = page.response.content.decode()
    assert 'id="new-password" autocomplete="new-password"' in html


def test_the_page_carries_what_the_boxes_are_bound_to(page: Page, directory: FakeDirectory, ada: Person) -> None:
    sealing = page.data["sealing"]
    [target] = sealing["targets"]
    assert target["agent"] == str(directory.agent.row.id)
    prepared = Preparation.from_json(Recovery.objects.get().prepared)
    assert sealing["request_id"] == str(prepared.envelope.request_id)
    assert b64decode(target["info"]) == box_info(prepared.envelope, directory.agent.row.id, target["key"])
    assert prepared.envelope.object_guid == ada.object_guid
    assert prepared.envelope.operation == "reset"
    assert prepared.envelope.initiator == "self"


def test_the_rules_are_those_that_the_agent_found(ada: Person, directory: FakeDirectory, walker: Walker) -> None:
    walker.prove("ada@example.test")
    policy = {"min_length": 14, "history": 24, "min_age_seconds": 0, "max_age_seconds": None}
    directory.inspect(ada, policy={**policy, "complexity": False, "lockout_threshold": 0, "name": "PSO-strict"})
    page = walker.get("/recover/wait")
    assert "at least 14 characters" in page.text
    assert "to differ from your last 24 passwords" in page.text
    assert "three of these" not in page.text
    assert page.data["rules"]["min_units"] == 14


def test_the_rules_of_the_agents_profile_are_named_too(ada: Person, directory: FakeDirectory, walker: Walker) -> None:
    walker.prove("ada@example.test")
    profile = {**PROFILES["typical"].to_dict(), "min_length": 10}
    directory.inspect(ada, profile=profile)
    page = walker.get("/recover/wait")
    for rule in ("at least 10 characters", "at most 16 characters", "a capital letter", "a digit"):
        assert rule in page.text
    assert (page.data["rules"]["min_length"], page.data["rules"]["max_length"]) == (10, 16)


def test_the_page_loaded_twice_is_the_same_request(page: Page, walker: Walker) -> None:
    assert walker.get("/recover/password").data["sealing"] == page.data["sealing"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        None,
        {"step": 1},
        {"step": "S", "request_id": "R", "boxes": []},
        {"step": "S", "request_id": "R", "boxes": {}},
        {"step": "S", "request_id": 7, "boxes": {"A": "B"}},
        {"step": "S", "request_id": "no-uuid", "boxes": {"A": "B"}},
        {"step": "S", "request_id": "R", "boxes": {"A": 7}},
        {"step": "S", "request_id": "R", "boxes": {"A": "not base64url!"}},
        {"step": "S", "request_id": "R", "boxes": {"A": "B"}, "new_password": NEW},
        {"step": "S", "request_id": "R", "boxes": {"A": "short"}},
        {"step": "S", "request_id": "R", "boxes": {"A": "B", "00000000-0000-0000-0000-000000000000": "B"}},
        {"step": "S", "request_id": "R", "boxes": {"00000000-0000-0000-0000-000000000000": "B"}},
    ],
)
def test_anything_but_the_prepared_boxes_is_400(body: object, page: Page, walker: Walker) -> None:
    sealing = page.data["sealing"]
    box = b64encode(bytes(BOX_BYTES))
    text = json.dumps(body)
    for mark, value in {"S": sealing["step"], "R": sealing["request_id"], "A": sealing["targets"][0]["agent"]}.items():
        text = text.replace(f'"{mark}"', json.dumps(value))
    text = text.replace('"B"', json.dumps(box)).replace('"short"', json.dumps(b64encode(b"x" * 64)))
    answer = walker.post_json(page, json.loads(text))
    assert answer.status_code == 400
    assert walker.recovery().state == "choose"
    assert not WritebackRequest.objects.filter(operation="reset").exists()


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"step":"a","step":"b"}', b"[" * 100_000])
def test_what_is_not_json_is_400(raw: bytes, page: Page, walker: Walker) -> None:
    token = page.forms["/recover/password"]["csrfmiddlewaretoken"]
    answer = walker.client.post(
        "/recover/password", raw, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert answer.status_code == 400


def test_a_password_in_clear_is_400_and_is_not_written(page: Page, walker: Walker) -> None:
    fields = page.forms["/recover/password"] | {"new_password": NEW, "new_password_again": NEW, "step": "x"}
    assert walker.post("/recover/password", fields).status == 400
    assert not WritebackRequest.objects.filter(operation="reset").exists()


def test_boxes_of_another_request_are_refused(page: Page, walker: Walker) -> None:
    answer = walker.send_boxes(page, boxes_for(page, NEW), request_id=str(uuid.uuid4()))
    assert answer.status_code == 409


def test_a_refused_password_names_each_rule_and_leads_back(
    page: Page, walker: Walker, directory: FakeDirectory
) -> None:
    walker.send_boxes(page, boxes_for(page, NEW))
    directory.write(OutcomeCode.POLICY, [Finding(code="used_before"), Finding(code="too_short", params={"minimum": 9})])
    again = walker.get("/recover/wait")
    assert again.heading == "What should your new password be?"
    assert "You have used this password before." in again.text
    assert "Use at least 9 characters." in again.text
    assert again.title.startswith("Error:")
    assert again.data["sealing"]["request_id"] != page.data["sealing"]["request_id"]
    walker.send_boxes(again, boxes_for(again, "Fruehling-8-kommt"))
    directory.write()
    assert walker.get("/recover/wait").heading == "Your password is changed"


def test_a_banned_password_says_no_more_than_that(page: Page, walker: Walker, directory: FakeDirectory) -> None:
    walker.send_boxes(page, boxes_for(page, NEW))
    directory.write(OutcomeCode.BANNED, [Finding(code="banned")])
    assert "This password is too easy to guess." in walker.get("/recover/wait").text


def test_an_unknown_finding_is_told_in_general_words(page: Page, walker: Walker, directory: FakeDirectory) -> None:
    walker.send_boxes(page, boxes_for(page, NEW))
    directory.write(OutcomeCode.POLICY, [Finding(code="from_the_future", params={"x": 1})])
    assert "Your organization does not allow this password." in walker.get("/recover/wait").text


def test_every_class_of_the_library_is_named_on_the_page(page: Page) -> None:
    words = ["capital letters", "small letters", "digits", "symbols", "letters of scripts without capitals"]
    assert len(words) == len(CharacterClass)
    assert all(word in page.text for word in words)


def bend(page: Page, walker: Walker, **changed: object) -> None:
    """What somebody who can write the database, and holds no key, would do to their own recovery."""
    recovery = walker.recovery()
    assert recovery.prepared is not None
    recovery.prepared["envelope"].update(changed)
    recovery.save()


@pytest.mark.parametrize(
    "changed",
    [
        {"object_guid": str(uuid.uuid4())},
        {"operation": "change"},
        {"initiator": f"admin:{uuid.uuid4()}"},
        {"flags": {"unlock": True, "must_change": True}},
        {"deadline": 4_000_000_000},
        {"tracking_id": str(uuid.uuid4())},
    ],
)
def test_what_was_prepared_and_then_bent_in_the_database_is_never_signed(
    changed: dict[str, object], page: Page, walker: Walker
) -> None:
    bend(page, walker, **changed)
    assert walker.send_boxes(page, boxes_for(page, NEW)).status_code == 409
    assert not WritebackRequest.objects.filter(operation="reset").exists()


def test_a_page_never_seals_for_a_key_that_was_put_into_the_database(page: Page, walker: Walker) -> None:
    recovery = walker.recovery()
    assert recovery.prepared is not None
    foreign = b64encode(unseal_key_bytes(ec.generate_private_key(ec.SECP256R1()).public_key()))
    recovery.prepared["targets"][0][2] = foreign
    recovery.save()
    again = walker.get("/recover/password")
    assert again.data["sealing"]["targets"][0]["public"] != foreign
    assert again.data["sealing"]["request_id"] != page.data["sealing"]["request_id"]


def test_an_agent_revoked_while_the_page_is_open_is_told_on_the_next_load(
    page: Page, walker: Walker, directory: FakeDirectory
) -> None:
    revoke(directory.agent.row, "operator:test", timezone.now())
    assert walker.send_boxes(page, boxes_for(page, NEW)).status_code == 409
    assert "SSPR_0010" in walker.get("/recover/password").text
