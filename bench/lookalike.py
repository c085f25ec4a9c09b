"""Whether the time of an answer tells a known person from an unknown one: 400 tries of each, interleaved."""

from __future__ import annotations

import random
import secrets
import time

import click
import psycopg
from tests.support.person import PersonAtBrowser, solve

from bench.site import Site
from bench.statistics import area_under_curve, percentile

__all__ = ["run"]

TRIES = 400
STEPS = ("user ID", "send a code", "wrong code")


def run(site: Site) -> None:
    """Prints, for each step before the first gate, the area under the curve with its confidence interval."""
    click.secho(f"\nKnown and unknown user IDs: {TRIES} tries of each, interleaved", bold=True)
    # Each person is asked about few times, so that no limit of theirs acts; the organization's own would.
    site.stack.keyback("limits", "set", site.stack.slug, "mails_for_one_organization", "--limit", str(10 * TRIES))
    known = [site.user_id(person) for person in site.people(TRIES // 5)]
    unknown = [f"t{secrets.token_hex(5)}@{site.forest.dns_domain}" for _ in known]
    times: dict[bool, list[list[float]]] = {True: [], False: []}
    tries = [(one, True) for one in known * 5] + [(one, False) for one in unknown * 5]
    random.Random(7).shuffle(tries)
    with (
        psycopg.connect(site.database, autocommit=True) as database,
        click.progressbar(tries, label="  asking") as bar,
    ):
        for user_id, is_known in bar:
            times[is_known].append(_walk(site, database, user_id))
    for number, step in enumerate(STEPS):
        a, b = ([row[number] for row in times[which]] for which in (True, False))
        area, low, high = area_under_curve(a, b)
        verdict = "cannot be told apart" if low <= 0.5 <= high else "CAN BE TOLD APART"
        medians = f"medians {percentile(a, 0.5) * 1000:.2f} and {percentile(b, 0.5) * 1000:.2f} ms"
        click.echo(f"  {step:<14}AUC {area:.3f} [{low:.3f}, {high:.3f}]  {medians}  {verdict}")


def _walk(site: Site, database: psycopg.Connection, user_id: str) -> list[float]:
    with site.browser() as browser:
        page = browser.get("/recover/")
        work = solve(page.json["work-challenge"])
        took = [_timed(browser, "/recover/", user_id=user_id, work=work), _timed(browser, "/recover/email/send")]
        # The mail server stands in this very process: what it does must not be taken for the portal's time.
        while _unsent(database):
            time.sleep(0.002)
        time.sleep(0.05)  # and it has said goodbye to the worker
        return [*took, _timed(browser, "/recover/email/", code="00000000")]


def _unsent(database: psycopg.Connection) -> bool:
    row = database.execute(
        "SELECT 1 FROM mail_messages_message WHERE state IN ('queued', 'sending') LIMIT 1"
    ).fetchone()
    return row is not None


def _timed(browser: PersonAtBrowser, action: str, **typed: str) -> float:
    """The post alone, without the page that it leads to."""
    form = browser.page.form(action) if browser.page else None
    if form is None:
        raise RuntimeError("no page yet")
    begun = time.perf_counter()
    answer = browser.http.post(action, data={**form.fields, **typed}, follow_redirects=False)
    took = time.perf_counter() - begun
    if answer.is_redirect:
        browser.get(answer.headers["location"])
    elif answer.status_code >= 429:
        raise RuntimeError(f"{action}: {answer.status_code}")
    return took
