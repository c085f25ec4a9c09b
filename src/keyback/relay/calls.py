"""The calls of an onboarded agent, as a table: what each takes, gives and may refuse.

Routes and the OpenAPI document are both made from it. ``poll``, ``onboard`` and ``token`` have functions of their own,
since they wait or authenticate otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from keyback.portal.agents import registry, switch
from keyback.portal.agents.models import Agent
from keyback.portal.organizations import banned
from keyback.portal.people import chain, sync
from keyback.portal.writeback import requests
from keyback.protocol import messages
from keyback.relay.problems import (
    FOREST_REFUSED,
    KEY_REFUSED,
    MISMATCHED,
    NO_SUCH_REQUEST,
    SEQUENCE_REFUSED,
    Problem,
    Refusal,
)

__all__ = ["CALLS", "PREFIX", "Call"]

PREFIX = "/agents/v1"

Handler = Callable[[Agent, Any, UUID | None, datetime], BaseModel | None]


@dataclass(frozen=True, slots=True)
class Call:
    """``gives`` None: an empty 204. ``handle`` runs in a database thread, after agent, signature and body."""

    name: str
    path: str
    summary: str
    takes: type[messages.Message]
    gives: type[messages.Message] | None
    handle: Handler
    problems: tuple[Problem, ...] = ()


def _writing(agent: Agent, intent: messages.WriteIntent, request_id: UUID | None, now: datetime) -> BaseModel:
    assert request_id is not None  # noqa: S101 — the route has it
    return requests.grant_writing(agent, request_id, intent, now)


def _outcome(agent: Agent, outcome: messages.Outcome, request_id: UUID | None, now: datetime) -> BaseModel:
    if outcome.request_id != request_id:
        raise Refusal(MISMATCHED)
    return requests.finish(agent, request_id, outcome, now)


def _people(agent: Agent, push: messages.Push, _: UUID | None, now: datetime) -> BaseModel:
    return sync.apply_push(agent, push, now)


def _person(agent: Agent, question: messages.PersonQuestion, _: UUID | None, now: datetime) -> BaseModel:
    return chain.answer_about(agent, question)


def _keys(agent: Agent, new: messages.NewKey, _: UUID | None, now: datetime) -> None:
    registry.add_key(agent, new.unseal, now)


def _forests(agent: Agent, served: messages.Served, _: UUID | None, now: datetime) -> BaseModel:
    return switch.declare(agent, served, now)


def _offboard(agent: Agent, _: messages.Offboarding, __: UUID | None, now: datetime) -> None:
    with suppress(registry.WrongState):  # an administrator was faster
        registry.revoke(agent, f"agent:{agent.pk}", now)


def _banned(agent: Agent, question: messages.BannedQuestion, _: UUID | None, now: datetime) -> BaseModel:
    return messages.BannedAnswer(terms=banned.newer_than(agent.organization_id, question.have))


def _heartbeat(agent: Agent, beat: messages.Heartbeat, _: UUID | None, now: datetime) -> None:
    registry.record_heartbeat(agent, beat, now)


CALLS = (
    Call(
        "writing",
        f"{PREFIX}/requests/{{request_id:uuid}}/writing",
        "Ask for leave to write. No grant, no write.",
        messages.WriteIntent,
        messages.WriteGrant,
        _writing,
    ),
    Call(
        "outcome",
        f"{PREFIX}/requests/{{request_id:uuid}}/outcome",
        "Tell how a request ended.",
        messages.Outcome,
        messages.OutcomeReceipt,
        _outcome,
        (NO_SUCH_REQUEST, MISMATCHED),
    ),
    Call(
        "people",
        f"{PREFIX}/people",
        "Push people of one forest.",
        messages.Push,
        messages.PushReceipt,
        _people,
        (FOREST_REFUSED, SEQUENCE_REFUSED),
    ),
    Call(
        "show",
        f"{PREFIX}/people/show",
        "Ask how the portal has one object of a forest.",
        messages.PersonQuestion,
        messages.PersonAnswer,
        _person,
        (FOREST_REFUSED,),
    ),
    Call(
        "keys",
        f"{PREFIX}/keys",
        "Add the next unsealing key.",
        messages.NewKey,
        None,
        _keys,
        (KEY_REFUSED,),
    ),
    Call(
        "forests",
        f"{PREFIX}/forests",
        "Say which forests are served, and for which of them writeback is on.",
        messages.Served,
        messages.ForestStates,
        _forests,
        (KEY_REFUSED,),
    ),
    Call(
        "offboard",
        f"{PREFIX}/offboard",
        "Leave, for good.",
        messages.Offboarding,
        None,
        _offboard,
    ),
    Call(
        "banned",
        f"{PREFIX}/banned",
        "Ask for the organization's banned words, when they are newer.",
        messages.BannedQuestion,
        messages.BannedAnswer,
        _banned,
    ),
    Call(
        "heartbeat",
        f"{PREFIX}/heartbeat",
        "Say that the agent is well.",
        messages.Heartbeat,
        None,
        _heartbeat,
    ),
)
