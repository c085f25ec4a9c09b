"""An organization's banned words, on their way to its agents."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from keyback.protocol.encoding import canonical_json
from keyback.protocol.messages._base import B64, Message, Seq

__all__ = ["BannedAnswer", "BannedQuestion", "BannedTerms", "SignedTerms"]


class BannedTerms(Message):
    """An organization's list as the people's door signs it: normalised or not, one term a line. A list with a lower
    ``version`` than the agent's own is an old one."""

    v: Literal[1] = 1
    organization_id: UUID
    version: Annotated[int, Field(ge=1, le=2**62)]
    mode: Literal["off", "audit", "enforce"] = "enforce"
    strict: bool = False
    extended: bool = False
    terms: Annotated[str, Field(max_length=2_000_000)] = ""

    def to_bytes(self) -> bytes:
        return canonical_json(self.model_dump(mode="json"))


class SignedTerms(Message):
    """``content``: the bytes of a BannedTerms."""

    content: Annotated[str, Field(max_length=4_500_000, pattern=r"^[A-Za-z0-9_-]*$")]
    signature: B64


class BannedQuestion(Message):
    """``have``: the version that the agent holds, 0 for none."""

    have: Seq = 0


class BannedAnswer(Message):
    """``terms`` is None when there is nothing newer."""

    terms: SignedTerms | None = None
