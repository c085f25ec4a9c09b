"""People as an agent pushes them from a directory: in bulk, bound to the objectGUID, and only what really changed.

An agent is believed within its own organization's verified domains and its own forests, and no further. A push costs
the same few queries whether it holds one person or five hundred; an unchanged person costs a comparison of digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.agents.models import Agent, AgentForest
from keyback.portal.agents.tokens import NotAdmitted
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.lookup import domain_of, normalise_user_id
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people.binding import binding_of
from keyback.portal.people.contacts import datum_of, index_of, normalise_mail
from keyback.portal.people.models import ContactDatum, Person, Spelling, SyncRun
from keyback.portal.people.phones import normalise_phone
from keyback.protocol.messages import PersonRecord, Push, PushReceipt

__all__ = ["ForestRefused", "SequenceRefused", "apply_push", "purge"]


class SequenceRefused(KeybackError):
    """This agent has sent this sequence number, or a later one, before: an old push played again."""

    code = "sequence_refused"


class ForestRefused(KeybackError):
    """The forest is not one that this agent said it serves."""

    code = "forest_refused"


_FIELDS = (
    "anchor",
    "user_id",
    "account_name",
    "display_name",
    "given_name",
    "surname",
    "enabled",
    "digest",
    "binding",
    "seen_at",
    "removed_at",
)
_DIRECTORY = ContactDatum.Origin.DIRECTORY.value
_BATCH = 500


@dataclass(slots=True)
class _Plan:
    """What one push will change. ``seen``: unchanged people, by primary key."""

    seen: list[UUID] = field(default_factory=list)
    added: list[tuple[Person, PersonRecord]] = field(default_factory=list)
    changed: list[tuple[Person, PersonRecord]] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)

    @property
    def touched(self) -> list[tuple[Person, PersonRecord]]:
        return self.added + self.changed


def apply_push(agent: Agent, push: Push, now: datetime) -> PushReceipt:
    """All of it or nothing. Raises NotAdmitted, ForestRefused or SequenceRefused."""
    with transaction.atomic():
        _take_sequence(agent, push.seq)
        if not AgentForest.objects.filter(agent=agent, forest_id=push.forest_id).exists():
            raise ForestRefused("this agent does not serve this forest")
        domains = frozenset(
            Domain.objects.filter(organization_id=agent.organization_id, verified_at__isnull=False).values_list(
                "name", flat=True
            )
        )
        run = _run(agent, push, now)
        region = Organization.objects.values_list("phone_region", flat=True).get(pk=agent.organization_id)
        plan = _planned(agent, push, domains, region, now)
        Person.objects.filter(pk__in=plan.seen).update(seen_at=now)
        Person.objects.bulk_create((person for person, _ in plan.added), batch_size=_BATCH)
        Person.objects.bulk_update((person for person, _ in plan.changed), _FIELDS, batch_size=_BATCH)
        _write_spellings(agent.organization_id, plan, domains)
        _write_contacts(agent.organization_id, region, plan, now)
        removed = _finish_run(agent, run, now) if push.last else 0
    return PushReceipt(added=len(plan.added), changed=len(plan.changed), removed=removed, refused=plan.refused)


def _take_sequence(agent: Agent, seq: int) -> None:
    """The conditional update also locks the agent's row: its pushes are applied one after the other."""
    confirmed = Agent.objects.filter(pk=agent.pk, state=Agent.State.CONFIRMED)
    if not confirmed.filter(push_seq__lt=seq).update(push_seq=seq):
        agent.refresh_from_db(fields=["state"])
        if agent.state != Agent.State.CONFIRMED:
            raise NotAdmitted(agent)
        raise SequenceRefused("this sequence number was used")


def _run(agent: Agent, push: Push, now: datetime) -> SyncRun:
    run, _ = SyncRun.objects.get_or_create(
        id=push.run_id,
        defaults={
            "organization_id": agent.organization_id,
            "forest_id": push.forest_id,
            "agent_id": agent.pk,
            "started_at": now,
        },
    )
    if run.agent_id != agent.pk or run.forest_id != push.forest_id or run.ended_at is not None:
        raise SequenceRefused("this run belongs to another forest or agent, or has ended")
    run.people += len(push.people)
    run.save(update_fields=["people"])
    return run


def _planned(agent: Agent, push: Push, domains: frozenset[str], region: str, now: datetime) -> _Plan:
    records = {record.object_guid: record for record in push.people}
    known = {
        person.object_guid: person
        for person in Person.objects.filter(
            organization_id=agent.organization_id, forest_id=push.forest_id, object_guid__in=list(records)
        )
    }
    plan = _Plan()
    for guid, record in records.items():
        if reason := _refusal(record, domains):
            plan.refused[guid] = reason
            continue
        digest = _digest(record, domains, region)
        person = known.get(guid)
        if person is not None and _is_as_pushed(person, digest):
            plan.seen.append(person.pk)
            continue
        if person is None:
            person = Person(
                organization_id=agent.organization_id,
                source=Person.Source.DIRECTORY,
                forest_id=push.forest_id,
                object_guid=guid,
            )
            plan.added.append((person, record))
        else:
            plan.changed.append((person, record))
        _fill(person, record, digest, now)
    return plan


def _is_as_pushed(person: Person, digest: bytes) -> bool:
    """Nothing to write: the record is the same, and the row is still the one that was written for it."""
    same = bytes(person.digest or b"") == digest and person.removed_at is None
    return same and bytes(person.binding or b"") == binding_of(person)


def _refusal(record: PersonRecord, domains: frozenset[str]) -> str:
    """Why this person is not taken; empty when they are. It goes to the agent's log, so it names no person."""
    try:
        user_id = normalise_user_id(record.user_id)
    except ValueError as error:
        return str(error)
    domain = domain_of(user_id)
    if not domain:
        return "the user ID has no domain"
    if domain not in domains:
        return f"{domain} is not a verified domain of this organization"
    return ""


def _digest(record: PersonRecord, domains: frozenset[str], region: str) -> bytes:
    # The domains and the region too: when one is verified or set later, its spellings or numbers begin to count.
    content = record.model_dump_json() + "\n" + "\n".join([*sorted(domains), region])
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).digest()


def _fill(person: Person, record: PersonRecord, digest: bytes, now: datetime) -> None:
    person.anchor = record.anchor
    person.user_id = normalise_user_id(record.user_id)
    person.account_name = _clean(record.account_name)
    person.display_name = _clean(record.display_name)
    person.given_name = _clean(record.given_name)
    person.surname = _clean(record.surname)
    person.enabled = record.enabled
    person.digest = digest
    person.binding = binding_of(person)
    person.seen_at = now
    person.removed_at = None


def _clean(text: str) -> str:
    """Without NUL, line breaks and other controls: names stand in mails and pages, and PostgreSQL stores no NUL."""
    return "".join(c for c in text if c.isprintable())


def _write_spellings(organization_id: UUID, plan: _Plan, domains: frozenset[str]) -> None:
    people = [person.pk for person, _ in plan.changed]
    Spelling.objects.filter(organization_id=organization_id, person_id__in=people).delete()
    Spelling.objects.bulk_create(
        (
            Spelling(organization_id=organization_id, text=text, person_id=person.pk)
            for person, record in plan.touched
            for text in _spellings(record, domains)
        ),
        batch_size=_BATCH,
    )


def _spellings(record: PersonRecord, domains: frozenset[str]) -> list[str]:
    """Every usable spelling once. One of a domain that is not the organization's could never name anybody here."""
    found: dict[str, None] = {}
    for spelling in (record.user_id, record.account_name, *record.spellings):
        try:
            text = normalise_user_id(spelling)
        except ValueError:
            continue
        domain = domain_of(text)
        if not domain or domain in domains:
            found[text] = None
    return list(found)


def _wanted_contacts(record: PersonRecord, region: str) -> Iterable[tuple[str, int, str]]:
    """(kind, position, value). A malformed address or number counts as missing."""
    mails = dict.fromkeys(mail for mail in map(normalise_mail, record.mail) if mail is not None)
    yield from ((ContactDatum.Kind.MAIL.value, position, mail) for position, mail in enumerate(mails))
    for kind, value in (
        (ContactDatum.Kind.MOBILE.value, record.mobile),
        (ContactDatum.Kind.OFFICE_PHONE.value, record.office_phone),
    ):
        if number := normalise_phone(value, region):
            yield kind, 0, number


def _write_contacts(organization_id: UUID, region: str, plan: _Plan, now: datetime) -> None:
    """Only what differs is encrypted and written; what a person registered themselves is not touched."""
    on_file: dict[tuple[UUID, str, int], ContactDatum] = {
        (row.person_id, row.kind, row.position): row
        for row in ContactDatum.objects.filter(
            organization_id=organization_id, person_id__in=[person.pk for person, _ in plan.changed], origin=_DIRECTORY
        )
    }
    new: list[ContactDatum] = []
    for person, record in plan.touched:
        for kind, position, value in _wanted_contacts(record, region):
            row = on_file.get((person.pk, kind, position))
            if row is not None and bytes(row.value_index) == index_of(organization_id, kind, value):
                del on_file[person.pk, kind, position]
                continue
            new.append(
                datum_of(
                    person,
                    kind=kind,
                    origin=_DIRECTORY,
                    position=position,
                    value=value,
                    now=now,
                )
            )
    ContactDatum.objects.filter(pk__in=[row.pk for row in on_file.values()]).delete()
    ContactDatum.objects.bulk_create(new, batch_size=_BATCH)


def _finish_run(agent: Agent, run: SyncRun, now: datetime) -> int:
    """Who was not seen since this run began, by whichever agent, is no longer in scope. Their row stays, so that they
    are the same person when they come back; their spellings go, so that nobody is named by them."""
    absent = Person.objects.filter(
        organization_id=run.organization_id,
        forest_id=run.forest_id,
        seen_at__lt=run.started_at,
        removed_at__isnull=True,
    )
    Spelling.objects.filter(organization_id=run.organization_id, person__in=absent).delete()
    removed = absent.update(removed_at=now)
    SyncRun.objects.filter(pk=run.pk).update(ended_at=now)
    write(
        run.organization_id,
        Activity.PEOPLE_SYNCHRONISED,
        result=Result.SUCCESS,
        actor=f"agent:{agent.pk}",
        now=now,
        details={"forest": str(run.forest_id), "people": run.people, "removed": removed},
    )
    return removed


def purge(now: datetime) -> int:
    """Removes notes about runs that began a month ago. How many."""
    return SyncRun.objects.filter(started_at__lte=now - timedelta(days=30)).delete()[0]
