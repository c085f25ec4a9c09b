"""One person's chain: the object in the directory ↔ its anchor ↔ the portal's person, or the link that is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from keyback.agent.catalogue import Kind
from keyback.agent.config import ForestConfig
from keyback.agent.events import Event
from keyback.agent.forests import Forest
from keyback.directory import (
    Connection,
    DirectoryPerson,
    is_below,
    people_by_guid,
    people_called,
    read_domain,
)
from keyback.protocol.messages import PersonAnswer, PersonQuestion

__all__ = ["Chain", "PeopleAnswers", "chains"]

_CONFLICT = {
    "anchor": "duplicate anchor: {other} in {other_forest} is enabled too and carries the same one; neither is written",
    "user_id": "duplicate user ID: {other} in {other_forest} has the same one; it names neither",
}


class PeopleAnswers(Protocol):
    """What of the link is needed."""

    def show(self, question: PersonQuestion) -> PersonAnswer: ...


@dataclass(slots=True)
class Chain:
    """``links``: name and text, in order. ``broken``: what is wrong, the first thing first; none where it is whole."""

    forest: str
    object_guid: UUID
    links: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        return {
            "forest": self.forest,
            "object_guid": str(self.object_guid),
            "whole": not self.broken,
            "broken": self.broken,
            **dict(self.links),
        }


def chains(
    name: str,
    forests: Mapping[str, Forest],
    forest_ids: Mapping[str, UUID],
    portal: PeopleAnswers,
    events: Iterator[Event],
) -> Iterator[Chain]:
    """One for each object of any forest that answers to ``name``: user principal name, account name with or without
    domain, mail. ``events``: of this agent, where refusals of the portal are looked up. Raises DirectoryError and
    LinkError."""
    refused = {
        str(event.fields["object"]): event.message
        for event in events
        if event.id == Kind.PERSON_REFUSED.value.id and "object" in event.fields
    }
    for forest in forests.values():
        with forest.nearest() as connection:
            for person in people_called(connection, read_domain(connection), name, shape=forest.config.shape):
                chain = Chain(forest.name, person.guid)
                _directory(chain, forest, connection, person)
                _portal(chain, forest_ids.get(forest.name), portal, refused)
                yield chain


def _directory(chain: Chain, forest: Forest, connection: Connection, person: DirectoryPerson) -> None:
    config = forest.config
    chain.links += [
        ("directory object", person.dn),
        ("server", connection.server.url),
        ("user ID", person.user_id),
        ("anchor", f"{config.anchor} {person.anchor}"),
        ("enabled", "yes" if person.enabled else "no"),
    ]
    if not any(is_below(person.dn, base) for base in config.base_dns):
        chain.broken.append(f"scope: it is outside base_dns ({'; '.join(config.base_dns)})")
    elif not _matches(config, connection, person):
        chain.broken.append(f"filter: {config.filter} does not match it")
    if not person.enabled:
        chain.broken.append("disabled: nobody signs in with it, and it is not written")


def _matches(config: ForestConfig, connection: Connection, person: DirectoryPerson) -> bool:
    domain = read_domain(connection)
    return any(people_by_guid(connection, domain, config.base_dns, [person.guid], filter=config.filter))


def _portal(chain: Chain, forest_id: UUID | None, portal: PeopleAnswers, refused: Mapping[str, str]) -> None:
    if forest_id is None:
        chain.broken.append("the portal does not know this forest for this agent yet")
        return
    answer = portal.show(PersonQuestion(forest_id=forest_id, object_guid=chain.object_guid))
    if not answer.known:
        chain.links.append(("portal person", "none"))
        if str(chain.object_guid) in refused:
            chain.broken.append(f"the portal did not take it: {refused[str(chain.object_guid)]}")
        elif not chain.broken:
            chain.broken.append("the portal was not told of it yet: 'keyback agent sync run'")
        return
    chain.links += [
        ("portal person", str(answer.person_id)),
        ("known there as", answer.user_id),
        ("last change told", f"{answer.told_at:%Y-%m-%d %H:%M:%S} UTC" if answer.told_at else "never"),
        ("contact data", ", ".join(answer.contacts) or "none"),
        ("groups", ", ".join(answer.groups) or "none"),
    ]
    if answer.removed and not chain.broken:
        chain.broken.append("the portal has removed it: 'keyback agent sync run' brings it back")
    elif answer.removed:
        chain.links.append(("removed", "yes, as it should be"))
    if answer.held:
        chain.broken.append("it has gone, and waits with others to be removed: 'keyback removals' on the portal")
    for one in answer.conflicts:
        chain.broken.append(_CONFLICT[one.kind].format(other=one.other, other_forest=one.other_forest))
