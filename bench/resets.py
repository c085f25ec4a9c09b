"""Resets: the directory's own speed, Keyback's on top of it, and what a whole recovery costs.

The directory alone and Keyback take turns, so that both meet the same noise of the machine.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click
import ldap
import psycopg
from ldap.controls import RequestControl
from psycopg import sql
from tests.support.person import PersonAtBrowser, page_pauses

import lab
from bench.site import Site
from bench.statistics import percentile
from lab.people import Person

__all__ = ["run"]

ROUND = 40
ROUNDS = 4
WHOLE = 40
HINTS = RequestControl("1.2.840.113556.1.4.2239", True, b"\x30\x03\x02\x01\x01")


@dataclass(slots=True)
class Batch:
    """``latencies`` in seconds, one for each reset; ``wall`` for all of them."""

    latencies: list[float]
    wall: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.wall


def password() -> str:
    return f"Kb-{secrets.token_hex(8)}-Q7"


def directory_alone(forest: lab.Forest, dns: Sequence[str], at_once: int) -> Batch:
    """Plain LDAP on kept connections: the same modify with the same control, as the service account."""
    links = [_connect(forest) for _ in range(at_once)]

    def reset(number: int) -> float:
        link = links[number % at_once]
        value = f'"{password()}"'.encode("utf-16-le")
        changes = [(ldap.MOD_REPLACE, "unicodePwd", [value]), (ldap.MOD_REPLACE, "lockoutTime", [b"0"])]
        begun = time.perf_counter()
        link.modify_ext_s(dns[number], changes, serverctrls=[HINTS])
        return time.perf_counter() - begun

    begun = time.perf_counter()
    # Each connection has a thread of its own: libldap serialises what shares one.
    with ThreadPoolExecutor(at_once) as pool:
        shares = [range(first, len(dns), at_once) for first in range(at_once)]
        found = [latency for share in pool.map(lambda share: [reset(n) for n in share], shares) for latency in share]
    wall = time.perf_counter() - begun
    for link in links:
        link.unbind_s()
    return Batch(found, wall)


def _connect(forest: lab.Forest) -> ldap.ldapobject.LDAPObject:
    link = ldap.initialize(forest.ldaps_url)
    link.set_option(ldap.OPT_X_TLS_CACERTFILE, str(forest.ca_file))
    link.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    link.set_option(ldap.OPT_REFERRALS, 0)
    link.simple_bind_s(forest.service_dn, forest.service_password_file.read_text("utf-8"))
    return link


def keyback(site: Site, staged: Sequence[PersonAtBrowser], at_once: int) -> Batch:
    """From the submitted form to the recorded outcome: the commit of the transaction that records it, of which a
    trigger tells. The boxes are sealed before. Each browser asks for the state as often as the page does.
    """
    sealed = [(browser, browser.seal(password())) for browser in staged]
    with psycopg.connect(site.database, autocommit=True) as database:
        database.execute(_TELLS)

    def share(first: int) -> list[tuple[float, float]]:
        with psycopg.connect(site.database, autocommit=True) as database:
            return [_one(database, browser, boxes) for browser, boxes in sealed[first::at_once]]

    with ThreadPoolExecutor(at_once) as pool:
        times = [both for found in pool.map(share, range(at_once)) for both in found]
    wall = max(recorded for _, recorded in times) - min(submitted for submitted, _ in times)
    return Batch([recorded - submitted for submitted, recorded in times], wall)


# Asking the database again and again would cost the machine as much as a door does.
_TELLS = """
CREATE OR REPLACE FUNCTION bench_tell() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('bench ' || NEW.id, NEW.outcome_code); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER bench_tell AFTER UPDATE ON writeback_writebackrequest FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION bench_tell();
"""


def _one(database: psycopg.Connection, browser: PersonAtBrowser, boxes: dict[str, object]) -> tuple[float, float]:
    """When it was submitted, and when its outcome was recorded."""
    channel = sql.Identifier(f"bench {boxes['request_id']}")
    database.execute(sql.SQL("LISTEN {}").format(channel))
    submitted = time.monotonic()
    answer = browser.send(boxes)
    if answer.status_code != 200:
        raise RuntimeError(f"not accepted: {answer.status_code}")
    pauses = page_pauses()
    while time.monotonic() < submitted + 60:
        if told := list(database.notifies(timeout=next(pauses), stop_after=1)):
            recorded = time.monotonic()
            if told[0].payload != "done":
                raise RuntimeError(f"not done but {told[0].payload}")
            database.execute(sql.SQL("UNLISTEN {}").format(channel))
            return submitted, recorded
        browser.http.get("/recover/state").raise_for_status()
    raise RuntimeError("no outcome")


def staged(site: Site, people: Sequence[Person]) -> list[PersonAtBrowser]:
    browsers = []
    for person in people:
        browser = site.browser()
        browser.reach_choose(site.user_id(person), person.mail_address)
        browsers.append(browser)
    return browsers


def run(site: Site) -> None:
    click.secho("\nResets: submitted form to recorded outcome, flows staged beforehand", bold=True)
    people = site.people(ROUND)
    with site.forest.administrator() as directory:
        dns = [directory.find(person.account) for person in people]
    for at_once in (1, 4):
        alone, ours = _take_turns(site, people, dns, at_once)
        _tell(at_once, alone, ours)
    _whole(site)


def _take_turns(site: Site, people: list[Person], dns: list[str], at_once: int) -> tuple[Batch, Batch]:
    alone, ours = Batch([], 0), Batch([], 0)
    for number in range(ROUNDS):
        with click.progressbar(length=2, label=f"  {at_once} at once, round {number + 1} of {ROUNDS}") as bar:
            _add(alone, directory_alone(site.forest, dns, at_once))
            bar.update(1)
            # Staged after it: the boxes are for the account as it was inspected.
            again = staged(site, people)
            _add(ours, keyback(site, again, at_once))
            bar.update(1)
            for browser in again:
                browser.http.close()
    return alone, ours


def _add(total: Batch, one: Batch) -> None:
    total.latencies += one.latencies
    total.wall += one.wall


def _tell(at_once: int, alone: Batch, ours: Batch) -> None:
    def line(name: str, batch: Batch) -> str:
        p50, p99 = percentile(batch.latencies, 0.5) * 1000, percentile(batch.latencies, 0.99) * 1000
        return f"  {name:<22}{batch.rate:6.1f} a second   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms"

    click.echo(f"  {at_once} at once, {len(ours.latencies)} resets each")
    click.echo(line("directory alone", alone))
    click.echo(line("Keyback", ours))
    added = [(percentile(ours.latencies, share) - percentile(alone.latencies, share)) * 1000 for share in (0.5, 0.99)]
    click.echo(f"  ratio {ours.rate / alone.rate:.2f} of the directory's rate")
    click.echo(f"  added p50 {added[0]:.1f} ms, p99 {added[1]:.1f} ms")


def _whole(site: Site) -> None:
    """CPU and memory of whole recoveries, from the first page to the last."""
    people = site.people(WHOLE)
    before = site.cpu()
    for person in people:
        with site.browser() as browser:
            browser.as_page_asks = True
            page = browser.reset(site.user_id(person), person.mail_address, password())
            if page.path != "/recover/outcome":
                raise RuntimeError(f"not done: {page.title}")
    spent = {name: (after - before[name]) * 1000 / WHOLE for name, after in site.cpu().items()}
    click.secho(f"\nA whole recovery ({WHOLE} in sequence)", bold=True)
    for name, process in site.processes().items():
        click.echo(f"  {name:<22}{spent[name]:6.1f} ms CPU   {process.memory_info().rss / 2**20:6.1f} MB resident")
    click.echo(f"  {'together':<22}{sum(spent.values()):6.1f} ms CPU   (a peer, PHP: 293 ms)")
