"""Codes of authenticator apps and hardware tokens. `oathtool` stands for the app."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from tests.portal.commands import Here
from tests.portal.methods.conftest import Clock, allow
from tests.portal.walk import Page, Walker

from keyback.portal.methods.authenticator.enrol import add_app, new_secret
from keyback.portal.methods.authenticator.totp import base32
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.securityinfo.models import RegisteredMethod

CHOOSE = "What should your new password be?"
CODE = "Which code does your app show?"
WRONG = "That is not the code."
HEADER = "upn,serial number,secret key,time interval,manufacturer,model\n"


def shown(secret: str, at: datetime, *, period: int = 30) -> str:
    """What an app with this secret shows at that moment."""
    when = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    command = ["oathtool", "--totp", "--base32", "--now", when, "--time-step-size", f"{period}s", "-"]
    done = subprocess.run(command, input=secret, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def app(cleo: Person, clock: Clock) -> str:
    """Cleo's app: its secret. She added it an hour ago. The clock stands in the middle of a time step."""
    allow("authenticator")
    now = clock.now()
    clock.stop(now + timedelta(seconds=15 - now.timestamp() % 30))
    secret = new_secret()
    assert add_app(cleo, secret, shown(secret, clock.now()), label="Phone", by="self", now=clock.now())
    clock.forward(hours=1)
    return secret


def to_code(walker: Walker, user_id: str = "cleo@example.test") -> Page:
    page = walker.identify(user_id)
    return walker.post("/recover/authenticator/start", page.forms["/recover/authenticator/start"])


def type_code(walker: Walker, page: Page, code: str) -> Page:
    return walker.post("/recover/authenticator/", page.forms["/recover/authenticator/"] | {"code": code})


def test_the_code_of_the_app_opens_the_gate(app: str, walker: Walker, clock: Clock) -> None:
    page = to_code(walker)
    assert page.heading == CODE
    assert type_code(walker, page, shown(app, clock.now())).heading == CHOOSE
    assert walker.recovery().gates_opened == ["authenticator"]


def test_a_wrong_code_opens_nothing_and_the_right_one_still_does(app: str, walker: Walker, clock: Clock) -> None:
    page = to_code(walker)
    right = shown(app, clock.now())
    page = type_code(walker, page, f"{(int(right) + 1) % 10**6:06d}")
    assert (page.status, WRONG in page.text) == (422, True)
    assert type_code(walker, page, f"{right[:3]} {right[3:]}").heading == CHOOSE


def test_what_cannot_be_a_code_is_told_and_counts_nothing(app: str, walker: Walker) -> None:
    page = to_code(walker)
    for _ in range(6):
        page = type_code(walker, page, "12345")
        assert "The code has 6 digits." in page.text


def test_a_code_opens_a_gate_once_for_whomever(app: str, walker: Walker, clock: Clock) -> None:
    code = shown(app, clock.now())
    type_code(walker, to_code(walker), code)
    other = Walker("192.0.2.7")
    assert WRONG in type_code(other, to_code(other), code).text
    clock.forward(seconds=30)
    assert type_code(other, to_code(other), shown(app, clock.now())).heading == CHOOSE


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_uses_of_one_code_one_wins(app: str, clock: Clock) -> None:
    code, browsers = shown(app, clock.now()), [Walker(f"192.0.2.{number}") for number in range(1, 7)]
    pages = [to_code(browser) for browser in browsers]

    def use(browser: Walker, page: Page) -> bool:
        try:
            return type_code(browser, page, code).heading == CHOOSE
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(use, browsers, pages)) == [False] * 5 + [True]


def test_the_code_with_which_the_app_was_added_opens_nothing(cleo: Person, walker: Walker, clock: Clock) -> None:
    allow("authenticator")
    secret = new_secret()
    code = shown(secret, clock.now())
    add_app(cleo, secret, code, label="Phone", by="self", now=clock.now())
    assert WRONG in type_code(walker, to_code(walker), code).text


@pytest.mark.parametrize("seconds", [-30, 30])
def test_a_clock_that_is_a_little_off_is_forgiven(app: str, walker: Walker, clock: Clock, seconds: int) -> None:
    code = shown(app, datetime.fromtimestamp(clock.now().timestamp() + seconds, clock.now().tzinfo))
    assert type_code(walker, to_code(walker), code).heading == CHOOSE


def test_a_clock_that_is_far_off_is_not(app: str, walker: Walker, clock: Clock) -> None:
    code = shown(app, datetime.fromtimestamp(clock.now().timestamp() - 90, clock.now().tzinfo))
    assert WRONG in type_code(walker, to_code(walker), code).text


def test_how_far_a_clock_is_off_is_learnt(app: str, clock: Clock) -> None:
    """It loses half a minute between two uses, and after five of them is off by far more than is forgiven at once."""
    for steps in range(1, 6):
        clock.forward(hours=1)
        walker = Walker()
        slow = datetime.fromtimestamp(clock.now().timestamp() - 30 * steps, clock.now().tzinfo)
        assert type_code(walker, to_code(walker), shown(app, slow)).heading == CHOOSE
        assert RegisteredMethod.objects.get().drift == -steps


def test_each_of_several_apps_opens_the_gate(app: str, cleo: Person, walker: Walker, clock: Clock) -> None:
    second = new_secret()
    add_app(cleo, second, shown(second, clock.now()), label="Tablet", by="self", now=clock.now())
    clock.forward(minutes=5)
    assert type_code(walker, to_code(walker), shown(second, clock.now())).heading == CHOOSE
    again = Walker()
    assert type_code(again, to_code(again), shown(app, clock.now())).heading == CHOOSE


def test_somebody_else_s_app_opens_nothing(app: str, organization: Organization, walker: Walker, clock: Clock) -> None:
    from keyback.portal.people.create import create_cloud_person

    create_cloud_person(organization, "eve@example.test", by="operator:test", now=timezone.now())
    assert WRONG in type_code(walker, to_code(walker, "eve@example.test"), shown(app, clock.now())).text


def test_five_wrong_codes_close_it_for_this_client(app: str, walker: Walker, clock: Clock) -> None:
    page = to_code(walker)
    for number in range(5):
        type_code(walker, page, f"{number:06d}")
    assert type_code(walker, page, shown(app, clock.now())).status == 429
    elsewhere = Walker("192.0.2.7")
    assert type_code(elsewhere, to_code(elsewhere), shown(app, clock.now())).heading == CHOOSE


# --- hardware tokens

ROW = "cleo@example.test,GA-0017,{secret},60,Geheimnis AG,Slim\n"


def _list(tmp_path: Path, *rows: str, header: str = HEADER) -> str:
    file = tmp_path / "tokens.csv"
    file.write_bytes((header + "".join(rows)).encode("utf-8", "surrogateescape"))
    return str(file)


def test_a_token_of_a_list_opens_the_gate(
    cleo: Person, walker: Walker, clock: Clock, here: Here, tmp_path: Path
) -> None:
    allow("authenticator")
    secret = new_secret()
    listed = _list(tmp_path, ROW.format(secret=secret.lower()))
    assert "1 tokens" in here.ok("security-info", "tokens", cleo.organization.slug, listed)
    [line] = here.lines("security-info", "list", "cleo@example.test")[-1:]
    assert (line["method"], line["label"]) == ("authenticator", "Geheimnis AG Slim GA-0017")
    # It lay in a drawer, and its clock is three minutes late.
    late = datetime.fromtimestamp(clock.now().timestamp() - 180, clock.now().tzinfo)
    assert type_code(walker, to_code(walker), shown(secret, late, period=60)).heading == CHOOSE


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["cleo@example.test,1,not base32!,30,A,B\n"], "line 2: the secret key"),
        ([f"cleo@example.test,1,{'A' * 32},45,A,B\n"], "30 or 60 seconds"),
        ([f"cleo@example.test,,{'A' * 32},30,A,B\n"], "no serial number"),
        ([f"cleo@example.test,1,{'A' * 32},30,A\n"], "six columns"),
        ([f"cleo@example.test,1,{'A' * 32},30,A,B,C\n"], "six columns"),
        ([f"cleo@example.test,1\x07,{'A' * 32},30,A,B\n"], "cannot be printed"),
        ([f'cleo@example.test,"1"x,{"A" * 32},30,A,B\n'], "no CSV"),
        ([f"cleo@example.test,1\udcff,{'A' * 32},30,A,B\n"], "no CSV"),
        ([f"nobody@example.test,1,{'A' * 32},30,A,B\n"], "nobody of Example Ltd"),
        ([f"cleo@example.test,1,{'A' * 32},30,A,B\n"] * 2, "line 3: this very thing"),
        ([f"cleo@example.test,{n},{'A' * 32},30,A,B\n" for n in range(6)], "line 7: there are 5 already"),
    ],
)
def test_a_list_with_a_mistake_is_refused_as_a_whole(
    cleo: Person, here: Here, tmp_path: Path, rows: list[str], told: str
) -> None:
    said = here.refused("security-info", "tokens", cleo.organization.slug, _list(tmp_path, *rows))
    assert told in said
    assert "AAAA" not in said
    assert not RegisteredMethod.objects.exists()


def test_a_list_without_its_heading_is_refused(cleo: Person, here: Here, tmp_path: Path) -> None:
    listed = _list(tmp_path, ROW.format(secret="A" * 32), header="")
    assert "the first line must be" in here.refused("security-info", "tokens", cleo.organization.slug, listed)


def test_a_lost_token_is_taken_off_file(cleo: Person, here: Here, tmp_path: Path) -> None:
    here.ok("security-info", "tokens", cleo.organization.slug, _list(tmp_path, ROW.format(secret="A" * 32)))
    entry = here.lines("security-info", "list", "cleo@example.test")[-1]["id"]
    here.ok("security-info", "remove", "cleo@example.test", entry)
    assert not RegisteredMethod.objects.exists()
    assert "no such entry" in here.refused("security-info", "remove", "cleo@example.test", entry)


@pytest.mark.parametrize("text", ["", "ABC", "A" * 129, "A" * 15 + "1", "A" * 20 + "é"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    assert base32(text) is None


def test_a_secret_may_be_listed_with_gaps_and_padding() -> None:
    assert base32("abcd-efgh 2345 abcd efgh 2345====") == "ABCDEFGH2345ABCDEFGH2345"
