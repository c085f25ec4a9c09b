"""Secrets leave no trace: canary passwords, codes and tokens go through everything, then everything is searched."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from playwright.sync_api import Browser
from tests.browser.walk import CHOOSE, DONE, Walk
from tests.support import canary
from tests.support.person import new_address
from tests.support.portals import shared_folder
from tests.support.smtp import Sink
from tests.support.whole import Whole, build

import lab
from keyback.agent.build import parts
from keyback.agent.config import load
from lab import api
from lab.people import INITIAL_PASSWORD

COOKIES = {"keyback": "session", "keyback-csrf": "CSRF token", "keyback-device": "device"}


def canary_password() -> str:
    """With a letter that every encoding writes in its own way."""
    return f"Canary-{secrets.token_hex(6)}-Übel+7"


@pytest.fixture(scope="module")
def on_postgres(
    tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest, mail: Sink, postgres: str, service_password: str
) -> Iterator[Whole]:
    built = build(tmp_path_factory.mktemp("canary"), forest, mail, database=postgres)
    yield built
    built.stack.stop()


@pytest.fixture(scope="module")
def service_password(forest: lab.Forest) -> str:
    """A new one of the service account's, before the first Keyback of this module reads it: the one of the lab's
    template is in every other run's files, too."""
    password = canary_password()
    api.set_password(forest, forest.service_upn.partition("@")[0], password)
    forest.service_password_file.write_text(password)
    return password


def search(whole: Whole, found: dict[str, str], since: float, run: Path) -> list[str]:
    """Which secrets are where nobody should find them. ``run``: the folder of this test run."""
    long_ones = {name: secret for name, secret in found.items() if not name.startswith("code")}
    logs = whole.forest.directory.glob("**/log")
    traces = canary.traces_in_files(canary.files_below(whole.stack.directory, *logs), found)
    # Eight digits are in somebody's temporary file by chance; a password is not.
    elsewhere = [
        *canary.fresh_temporary_files(since, run),
        *canary.open_files(whole.stack.portal.pid, whole.agent.pid),
    ]
    traces += canary.traces_in_files(elsewhere, long_ones)
    passwords = {name: secret for name, secret in found.items() if "password" in name}
    for mail in whole.mail.messages:
        traces += [f"{name} in a mail to {mail['To']}" for name in canary.traces(bytes(mail), passwords)]
    return traces


def keep_cookies(walk: Walk, found: dict[str, str]) -> None:
    for cookie in walk.page.context.cookies():
        name, value = str(cookie.get("name")), str(cookie.get("value"))
        found[f"{COOKIES[name]} {len(found)}"] = value


def tell_everything(whole: Whole, walk: Walk) -> dict[str, str]:
    """Types every kind of secret into every field that takes one, also where it does not belong."""
    found: dict[str, str] = {}
    person = whole.take()
    found["password as user ID"] = canary_password()
    walk.open()
    walk.identify(found["password as user ID"])
    walk.choose_email()
    found["password as code"] = canary_password()
    walk.enter_code(found["password as code"])

    walk.to_code(person)
    keep_cookies(walk, found)
    found["code"] = walk.code_for(person)
    walk.enter_code(found["code"])
    walk.at(CHOOSE)
    found["password mistyped"], found["password sealed"] = canary_password(), canary_password()
    walk.choose_password(found["password mistyped"], again="something else")
    walk.choose_password(found["password sealed"])
    walk.at(DONE)
    keep_cookies(walk, found)

    walk.to_code(person)
    found["code again"] = walk.code_for(person)
    walk.enter_code(found["code again"])
    walk.at(CHOOSE)
    walk.choose_password(found["password sealed"])  # used before: refused by the directory
    walk.page.locator("#error-summary").wait_for()
    walk.open("/recover/password/plain")
    found["password in clear"] = canary_password()
    walk.choose_password(found["password in clear"])
    walk.at(DONE)
    return found


def used_bearer(whole: Whole) -> str:
    """A token of the agent's, after it has been used."""
    seen: list[str] = []
    with parts(load(whole.agent.config)) as agent:
        agent.link._client.event_hooks["request"] = [lambda call: seen.append(call.headers.get("Authorization", ""))]
        for name, forest in agent.forests.items():
            agent.synchronisation().run(forest, agent.identity.forest_id(name) or UUID(int=0), lambda _: None)
    return next(value.removeprefix("Bearer ") for value in seen if value)


@pytest.mark.timeout(300)  # it also builds a second Keyback, and reads every file that anybody wrote meanwhile
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_passwords_codes_and_tokens_are_found_nowhere(
    database: str, request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path, service_password: str
) -> None:
    whole: Whole = request.getfixturevalue("whole" if database == "sqlite" else "on_postgres")
    since = time.time()
    context = chromium.new_context(base_url=whole.url, extra_http_headers={"X-Forwarded-For": new_address()})
    with canary.watching() as watch:
        whole.restart_agent()  # so that it reads the service account's password
        found = tell_everything(whole, Walk(context.new_page(), whole))
    context.close()
    found["password of the service account"] = service_password
    found |= {"onboarding": whole.stack.keyback("agent-code", "create", whole.stack.slug).split()[-1]}
    found |= {"bearer": used_bearer(whole)}

    kinds = {name.split()[0] for name in found}
    assert kinds == {"password", "code", "session", "CSRF", "device", "onboarding", "bearer"}
    decoy = tmp_path / "decoy"
    decoy.write_text(found["password sealed"], "utf-16-le")
    traces = watch.traces(found) + search(whole, found, since, shared_folder(tmp_path))
    if database == "postgres":
        traces += canary.traces_in_postgres(request.getfixturevalue("postgres"), found)
    told = f"password sealed in {decoy}"
    assert told in traces, "the search does not find what is there"
    traces.remove(told)
    assert not traces, "\n".join(traces)


def test_a_page_that_breaks_shows_and_logs_nothing_of_what_was_typed(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    walk = visit()
    walk.to_choose(person)
    walk.open("/recover/password/plain")
    whole.sql("UPDATE recovery_recovery SET inspection = '{}' WHERE id = ?", UUID(walk.support_code).hex)
    password = canary_password()
    with walk.page.expect_response("**/recover/password/plain") as answer:
        walk.choose_password(password)
    walk.at("Something went wrong on our side")
    assert answer.value.status == httpx2.codes.INTERNAL_SERVER_ERROR

    told = {"password": password, "first password": INITIAL_PASSWORD}
    assert canary.traces(walk.page.content().encode(), told) == []
    assert canary.traces(whole.log_text.encode(), told) == []
    assert walk.support_code in whole.log_text
