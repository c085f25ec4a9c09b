"""Signing in through the organization's own OpenID Connect provider: a real one, in a process of its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from django.utils import timezone

from keyback.portal.account.models import FederatedSubject
from keyback.portal.account.models import Provider as Row
from keyback.portal.account.openid import seal_secret
from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations import setup
from keyback.portal.people.cloud import verify_password
from keyback.portal.people.models import Person, Spelling
from keyback.portal.writeback.models import WritebackRequest
from tests.portal.account.signing import name, sign_in
from tests.portal.account.test_pass_through import send
from tests.portal.commands import Here
from tests.portal.walk import FakeDirectory, Page, Walker, boxes_for
from tests.support import oidc
from tests.support.oidc import Provider

PEOPLE: list[dict[str, object]] = [
    {"sub": "u-ada", "preferred_username": "Ada@example.test", "email": "ada@example.test"},
    {"sub": "u-grace", "preferred_username": "grace@example.test"},
    {"sub": "u-new-ada", "preferred_username": "ada@example.test"},
    {"sub": "u-eve", "preferred_username": "eve@elsewhere.test"},
    {"sub": "u-nameless"},
]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc.running(*PEOPLE) as provider:
        yield provider


@pytest.fixture
def federated(ada: Person, provider: Provider, here: Here, tmp_path: Path) -> Person:
    secret = tmp_path / "secret"
    secret.write_text("of-the-client\n")
    here(
        *("openid", "set", "example-ltd", "--issuer", provider.issuer, "--client-id", "keyback"),
        *("--secret-file", str(secret), "--domain", "example.test"),
    )
    return ada


def go(walker: Walker, user_id: str = "ada@example.test", path: str = "/sign-in") -> str:
    """The address that the page sends the browser to."""
    page = name(walker, user_id, path)
    assert page.heading == "Sign in with your organization"
    return walker.get("/sign-in/openid", follow=False).response["Location"]


def come_back(walker: Walker, provider: Provider, subject: str) -> Page:
    return walker.get(provider.sign_in(go(walker), subject))


def test_whoever_the_provider_names_is_signed_in(federated: Person, walker: Walker, provider: Provider) -> None:
    page = come_back(walker, provider, "u-ada")
    assert page.heading == "Your account"
    assert "Ada Lovelace" in page.text
    assert AuditEntry.objects.get(activity="account.signed_in").details == {"kind": "federated"}
    walker.get("/account")


def test_they_come_to_the_page_that_they_wanted(federated: Person, walker: Walker, provider: Provider) -> None:
    address = go(walker, path="/sign-in?next=/security-info")
    page = walker.get(provider.sign_in(address, "u-ada"))
    assert page.response.redirect_chain[-1][0] == "/security-info"  # type: ignore[attr-defined]


def test_the_question_is_bound_to_this_browser_and_carries_no_secret(federated: Person, walker: Walker) -> None:
    asked = parse_qs(urlsplit(go(walker)).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://127.0.0.1:8080/sign-in/openid/return"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    assert not {"client_secret", "code_verifier"} & asked.keys()


@pytest.mark.parametrize("subject", ["u-grace", "u-eve", "u-nameless"])
def test_whoever_is_nobody_here_is_not_signed_in(
    federated: Person, walker: Walker, provider: Provider, subject: str
) -> None:
    page = come_back(walker, provider, subject)
    assert (page.status, page.heading) == (403, "That did not sign you in")
    assert walker.get("/account").heading == "Sign in"
    assert AuditEntry.objects.filter(activity="account.sign_in_failed").count() == 1


def test_a_name_that_was_given_to_somebody_else_opens_nothing(
    federated: Person, walker: Walker, provider: Provider
) -> None:
    come_back(walker, provider, "u-ada")
    assert come_back(Walker(), provider, "u-new-ada").status == 403
    assert FederatedSubject.objects.get().subject == "u-ada"


def test_a_subject_that_was_somebody_else_opens_nothing(
    federated: Person, make_ada: Callable[..., Person], walker: Walker, provider: Provider
) -> None:
    come_back(walker, provider, "u-ada")
    grace = make_ada("grace")
    Spelling.objects.filter(text="ada@example.test").update(person=grace)
    assert come_back(Walker(), provider, "u-ada").status == 403


def test_a_provider_vouches_for_its_own_domains_only(federated: Person, walker: Walker, provider: Provider) -> None:
    Spelling.objects.create(organization=federated.organization, text="eve@elsewhere.test", person=federated)
    assert come_back(walker, provider, "u-eve").status == 403


def test_an_answer_to_another_browser_s_question_signs_nobody_in(
    federated: Person, walker: Walker, provider: Provider
) -> None:
    """Login CSRF: the thief's own answer, sent to the victim's browser."""
    thief = Walker("192.0.2.2")
    answer = provider.sign_in(go(thief), "u-ada")
    go(walker)
    assert walker.get(answer).status == 403
    assert walker.get("/account").heading == "Sign in"
    stranger = Walker("192.0.2.3")
    assert stranger.get(answer).heading == "Sign in"


def test_an_answer_is_worth_one_sign_in(federated: Person, walker: Walker, provider: Provider) -> None:
    answer = provider.sign_in(go(walker), "u-ada")
    assert walker.get(answer).heading == "Your account"
    walker.post("/sign-out", walker.get("/account").forms["/sign-out"])
    assert walker.get(answer).heading == "Sign in"
    go(walker)
    assert walker.get(answer).status == 403


def test_another_issuer_in_the_answer_is_refused(federated: Person, walker: Walker, provider: Provider) -> None:
    answer = provider.sign_in(go(walker), "u-ada")
    assert walker.get(f"{answer}&iss=https%3A%2F%2Fevil.test").status == 403


def test_a_token_for_another_client_is_refused(federated: Person, walker: Walker, provider: Provider) -> None:
    """The provider's token names the client that asked."""
    answer = provider.sign_in(go(walker).replace("client_id=keyback", "client_id=other"), "u-ada")
    assert walker.get(answer).status in (403, 503)
    assert walker.get("/account").heading == "Sign in"


NEW = "Winter-ist-kalt-7"


def test_a_federated_person_resets_the_password_that_their_directory_keeps(
    federated: Person, walker: Walker, provider: Provider, directory: FakeDirectory
) -> None:
    page = name(walker, "ada@example.test")
    page = walker.post("/sign-in/forgot", page.forms["/sign-in/forgot"])
    assert page.forms["/recover/"]["user_id"] == "ada@example.test"
    walker.prove("ada@example.test")
    directory.inspect(federated)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, NEW))
    directory.write()
    assert walker.get("/recover/wait").heading == "Your password is changed"
    assert directory.written == [NEW]
    assert AuditEntry.objects.get(activity="password.reset").details["kind"] == "federated"
    assert come_back(Walker(), provider, "u-ada").heading == "Your account"


def test_a_federated_person_whose_password_the_portal_keeps_resets_it_too(
    federated: Person, cleo: Person, walker: Walker
) -> None:
    page = walker.prove("cleo@example.test")
    fields = page.forms["/recover/password/plain"] | {"new_password": NEW, "new_password_again": NEW}
    assert walker.post("/recover/password/plain", fields).heading == "Your password is changed"
    assert verify_password(cleo, NEW)
    assert AuditEntry.objects.get(activity="password.reset").details["kind"] == "federated"


def test_an_operator_sees_the_kind_of_each_account(federated: Person, cleo: Person, here: Here) -> None:
    kinds = {}
    for remove in (False, True):
        if remove:
            Row.objects.all().delete()
        for user_id in ("ada@example.test", "cleo@example.test"):
            kinds[user_id, remove] = json.loads(here.ok("person", "show", user_id, "--json"))["kind"]
    assert kinds == {
        ("ada@example.test", False): "federated",
        ("cleo@example.test", False): "federated",
        ("ada@example.test", True): "pass_through",
        ("cleo@example.test", True): "cloud",
    }


@pytest.mark.parametrize("typed", ["ada", "CORP\\ada", "nobody"])
def test_a_user_id_without_a_domain_is_sent_there_too(federated: Person, walker: Walker, typed: str) -> None:
    assert name(walker, typed).heading == "Sign in with your organization"


@pytest.fixture
def other_domain(federated: Person) -> None:
    """Whose people are asked for a password here."""
    now = timezone.now()
    domain = setup.add_domain(federated.organization, "other.test", by="operator:test", now=now)
    setup.verify_domain(domain, by="operator:test", how="operator", now=now)


@pytest.mark.parametrize("typed", ["cleo", "cleo@other.test"])
def test_no_other_spelling_leads_past_the_provider_to_a_password_of_the_portal(
    federated: Person, cleo: Person, other_domain: None, walker: Walker, typed: str
) -> None:
    Person.objects.exclude(pk=cleo.pk).update(enabled=False)
    Spelling.objects.get_or_create(organization=cleo.organization, text=typed, person=cleo)
    assert "the password is not right" in sign_in(walker, typed).text
    assert walker.get("/account").heading == "Sign in"
    Row.objects.all().delete()
    assert sign_in(walker, typed).heading == "Your account"


def test_no_other_spelling_leads_past_the_provider_to_the_directory(
    federated: Person, other_domain: None, walker: Walker
) -> None:
    assert send(walker, name(walker, "corp\\ada")).status_code == 200
    assert not WritebackRequest.objects.exists()
    Row.objects.all().delete()
    assert send(walker, name(walker, "corp\\ada")).status_code == 200
    assert WritebackRequest.objects.exists()


def test_a_nonce_of_another_question_is_refused(federated: Person, walker: Walker, provider: Provider) -> None:
    address = go(walker)
    nonce = parse_qs(urlsplit(address).query)["nonce"][0]
    assert walker.get(provider.sign_in(address.replace(nonce, "another"), "u-ada")).status == 403


def test_whoever_is_denied_there_is_told(federated: Person, walker: Walker, provider: Provider) -> None:
    assert walker.get(provider.deny(go(walker))).heading == "That did not sign you in"


def test_known_and_unknown_people_are_sent_alike(federated: Person) -> None:
    pages = [name(Walker(), user_id) for user_id in ("ada@example.test", "nobody@example.test")]
    first, second = (
        page.text.replace(page.response["Keyback-Tracking-Id"], "").replace(who, "")
        for page, who in zip(pages, ("ada@example.test", "nobody@example.test"), strict=True)
    )
    assert first == second


def test_the_password_pages_are_closed_to_them(federated: Person, walker: Walker) -> None:
    page = name(walker, "ada@example.test")
    token = page.forms["/sign-in/forgot"]["csrfmiddlewaretoken"]
    answer = walker.post("/sign-in/password", {"csrfmiddlewaretoken": token, "password": "x"})
    assert answer.heading == "Sign in with your organization"
    assert walker.get("/sign-in/password/plain", follow=False).response["Location"] == "/sign-in"


def test_when_the_provider_is_down_it_is_said(federated: Person, walker: Walker) -> None:
    row = Row.objects.get()
    row.issuer = "http://127.0.0.1:9"
    row.secret = seal_secret(row, "x")
    row.save()
    name(walker, "ada@example.test")
    page = walker.get("/sign-in/openid")
    assert (page.status, page.heading) == (503, "This is not possible at the moment")


def test_who_writes_the_database_names_no_provider_of_their_own(
    federated: Person, walker: Walker, provider: Provider
) -> None:
    with oidc.running({"sub": "thief", "preferred_username": "ada@example.test"}) as evil:
        Row.objects.update(issuer=evil.issuer)
        name(walker, "ada@example.test")
        assert walker.get("/sign-in/openid").heading == "This is not possible at the moment"
    Row.objects.update(issuer=provider.issuer, claim="email")
    assert walker.get("/sign-in/openid").heading == "This is not possible at the moment"


def test_only_a_provider_that_answers_as_it_must_is_taken(
    ada: Person, provider: Provider, here: Here, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    common = ("openid", "set", "example-ltd", "--client-id", "keyback", "--secret-file", str(secret))
    for issuer, domain, why in (
        ("http://provider.example.test", "example.test", "https://"),
        (f"{provider.issuer}/", "example.test", "calls itself"),
        (provider.issuer, "elsewhere.test", "not a verified domain"),
    ):
        assert why in here.refused(*common, "--issuer", issuer, "--domain", domain)
    assert not Row.objects.exists()
    assert httpx2.get(provider.issuer).status_code == 200
