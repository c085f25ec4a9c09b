"""People and groups as the directory has them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from keyback.protocol.limits import MAX_GROUPS_PER_PUSH, MAX_OBJECTS_PER_PUSH, MAX_PEOPLE_PER_PUSH
from keyback.protocol.messages._base import Message, Seq, Text

__all__ = ["Conflict", "GroupRecord", "PersonAnswer", "PersonQuestion", "PersonRecord", "Push", "PushReceipt", "Span"]


class PersonRecord(Message):
    """One person as the directory has them. ``object_guid`` is what recovery data is bound to; names may change."""

    object_guid: UUID
    anchor: Text
    user_id: Text
    spellings: Annotated[list[Text], Field(max_length=20)] = []
    account_name: Text
    display_name: Text = ""
    given_name: Text = ""
    surname: Text = ""
    mail: Annotated[list[Text], Field(max_length=10)] = []
    mobile: Text = ""
    office_phone: Text = ""
    enabled: bool = True


Objects = Annotated[list[UUID], Field(max_length=MAX_OBJECTS_PER_PUSH)]


class Span(Message):
    """All there are whose objectGUID is above ``after`` and not above ``until`` (None: no bound), so that whoever is
    missing in ``objects`` is not there. GUIDs compare as their 32 hexadecimal digits do."""

    after: UUID | None = None
    until: UUID | None = None
    objects: Objects = []


class GroupRecord(Message):
    """One group and its direct members, people and groups alike. A large group comes in several spans."""

    object_guid: UUID
    name: Text
    members: Span


class Push(Message):
    """POST /agents/v1/people. ``seq`` only grows for one agent, so that an old push cannot be played again.

    ``people`` and ``groups``: as they are now, new, changed or not. ``gone``: objects, people or groups, that are no
    longer in scope. ``people_in_scope`` and ``groups_in_scope``: whoever is missing there has gone too, unless another
    push told of them since this run began. ``last``: the run ends with this push.
    """

    run_id: UUID
    seq: Seq
    forest_id: UUID
    people: Annotated[list[PersonRecord], Field(max_length=MAX_PEOPLE_PER_PUSH)] = []
    groups: Annotated[list[GroupRecord], Field(max_length=MAX_GROUPS_PER_PUSH)] = []
    gone: Objects = []
    people_in_scope: Span | None = None
    groups_in_scope: Span | None = None
    last: bool = False


class Conflict(Message):
    """``anchor``: two enabled accounts carry one source anchor, ``user_id``: one user ID; nothing is written to either
    before one of them is another's. ``made_again``: a new account has the user ID of one that has gone, and inherits
    nothing of it. ``other`` is in ``other_forest``."""

    kind: Literal["anchor", "user_id", "made_again"]
    object_guid: UUID
    other: UUID
    other_forest: Text


class PushReceipt(Message):
    """Counts of people in this push. ``refused``: one line each, by objectGUID. ``unknown``: objects in scope that were
    never told in full: push them. ``held``: so many people of the forest have gone, which is more than may be removed
    without an administrator's word: they stay until one confirms it."""

    added: int
    changed: int
    removed: int
    refused: dict[UUID, Text] = {}
    unknown: Objects = []
    held: int = 0
    conflicts: list[Conflict] = []


class PersonQuestion(Message):
    """POST /agents/v1/people/show. How the portal has this object of a forest that the agent serves."""

    forest_id: UUID
    object_guid: UUID


class PersonAnswer(Message):
    """``known`` False: nothing else counts. ``contacts``: kinds on file from the directory, one word each."""

    known: bool
    person_id: UUID | None = None
    user_id: Text = ""
    anchor: Text = ""
    enabled: bool = False
    removed: bool = False
    held: bool = False
    told_at: AwareDatetime | None = None
    contacts: list[Text] = []
    groups: list[Text] = []
    conflicts: list[Conflict] = []
