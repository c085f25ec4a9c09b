"""The switch for writeback: the portal's own for each forest, and each agent's beside it. Both must be on.

Synchronisation goes on either way. An agent tells all that it serves, as often as it likes; what it says about itself
is taken, but it joins by itself only forests that nobody of its organization served before: whoever serves a forest is
sealed for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal import wake
from keyback.portal.agents.models import Agent, AgentForest, UnsealingKey
from keyback.portal.agents.registry import add_key
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Forest, Organization
from keyback.protocol.messages import ForestState, ForestStates, OnboardingForest, Served, ServedForest

__all__ = ["ServesAlready", "allow", "declare", "domains_of", "forest_name", "switch"]


MOST_FORESTS = 100
"""Of one organization, that agents bring by themselves."""


class ServesAlready(KeybackError):
    code = "serves_already"


def forest_name(text: str) -> str:
    """The DNS name as it is kept."""
    return ("".join(c if c.isprintable() else "?" for c in text).strip() or "?").lower().rstrip(".")


def domains_of(forest: OnboardingForest) -> list[str]:
    return sorted({domain.lower() for domain in forest.domains})


def declare(agent: Agent, served: Served, now: datetime) -> ForestStates:
    """Takes what the agent says of its forests and of its own switch. Raises KeyRefused for a bad key.

    What it no longer names counts as off. With everything off its keys are forgotten, and its boxes are erased.
    """
    named = {forest_name(forest.name): forest for forest in served.forests}
    with transaction.atomic():
        Agent.objects.select_for_update().get(pk=agent.pk)  # two of its processes may say so at once
        links = {link.forest.name: link for link in _links(agent)}
        for name in named.keys() - links.keys():
            if link := _join(agent, name, now):
                links[name] = link
        _move(agent, links.values(), named, now)
        if served.unseal is not None:
            add_key(agent, served.unseal, now)
            UnsealingKey.objects.filter(agent=agent).exclude(key=served.unseal.key).delete()
        if not any(link.writeback for link in links.values()):
            UnsealingKey.objects.filter(agent=agent).delete()
    return ForestStates(
        forests=[
            ForestState(id=link.forest_id, name=name, writeback=link.forest.writeback)
            for name, link in links.items()
            if name in named
        ]
    )


def _links(agent: Agent) -> Iterable[AgentForest]:
    return AgentForest.objects.filter(agent=agent).select_related("forest")


def _join(agent: Agent, name: str, now: datetime) -> AgentForest | None:
    known = Forest.objects.filter(organization_id=agent.organization_id)
    if known.filter(name=name).exists() or known.count() >= MOST_FORESTS:
        return None
    forest = Forest.objects.create(organization_id=agent.organization_id, name=name[:253])
    return _serve(agent, forest, f"agent:{agent.pk}", now)


def _move(agent: Agent, links: Iterable[AgentForest], named: dict[str, ServedForest], now: datetime) -> None:
    # The requests know agents; only here do agents need to know the requests.
    from keyback.portal.writeback.requests import release_agent

    for link in links:
        said = named.get(link.forest.name)
        if said is not None and link.domains != (domains := domains_of(said)):
            link.domains = domains
            link.save(update_fields=["domains"])
        on = said is not None and said.writeback != "off"
        if on == link.writeback:
            continue
        link.writeback = on
        link.save(update_fields=["writeback"])
        _note(agent.organization_id, link.forest, f"agent:{agent.pk}", now, on=on, agent=agent)
        if not on:
            release_agent(agent, now, link.forest_id)


def allow(agent: Agent, forest: Forest, by: str, now: datetime) -> None:
    """An administrator lets this agent serve a forest that others served before. Raises ServesAlready."""
    with transaction.atomic():
        if AgentForest.objects.filter(agent=agent, forest=forest).exists():
            raise ServesAlready(f"{agent.name} serves {forest.name} already")
        _serve(agent, forest, by, now)


def _serve(agent: Agent, forest: Forest, by: str, now: datetime) -> AgentForest:
    write(
        agent.organization_id,
        Activity.AGENT_FOREST_ADDED,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        details={"agent": str(agent.pk), "name": agent.name, "forest": forest.name},
    )
    return AgentForest.objects.create(organization_id=agent.organization_id, agent=agent, forest=forest)


def switch(organization: Organization, forests: Iterable[Forest], by: str, now: datetime, *, on: bool) -> list[Forest]:
    """The portal's own switch; those that were changed. Off holds at once; on only as soon as an agent has made new
    keys, which takes half a minute."""
    changed = []
    with transaction.atomic():
        for forest in forests:
            if Forest.objects.filter(pk=forest.pk, writeback=not on).update(writeback=on):
                changed.append(forest)
                if not on:
                    _withdraw(forest, now)
                _note(organization.pk, forest, by, now, on=on)
        if changed:
            wake.notify(wake.work_of(organization.pk))
    return changed


def _withdraw(forest: Forest, now: datetime) -> None:
    """From its agents: what they were doing there, and the keys of those that have nothing left to do."""
    from keyback.portal.writeback.requests import release_agent

    for link in AgentForest.objects.filter(forest=forest).select_related("agent"):
        release_agent(link.agent, now, forest.pk)
        if not AgentForest.objects.filter(agent=link.agent, writeback=True, forest__writeback=True).exists():
            UnsealingKey.objects.filter(agent=link.agent).delete()


def _note(
    organization_id: UUID, forest: Forest, by: str, now: datetime, *, on: bool, agent: Agent | None = None
) -> None:
    write(
        organization_id,
        Activity.WRITEBACK_ON if on else Activity.WRITEBACK_OFF,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        details={"forest": forest.name, **({} if agent is None else {"agent": str(agent.pk), "name": agent.name})},
    )
