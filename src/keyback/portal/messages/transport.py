"""What the worker hands over, and to whom: a mail server, or a gateway to the telephone network."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from keyback.errors import KeybackError

__all__ = ["Outgoing", "SendRefused", "Transport"]


class SendRefused(KeybackError):
    """It was not taken. ``problem`` names the kind of failure and the reply's code; never the reply's text, which may
    quote the address. ``permanent``: trying again will not help."""

    code = "send_refused"

    def __init__(self, problem: str, *, permanent: bool) -> None:
        super().__init__(problem)
        self.problem = problem
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``to``: a mail address, or a number as ``+CC NNNN…``. ``subject`` is empty where there is none."""

    id: UUID
    to: str = field(repr=False)
    organization: str
    subject: str
    text: str = field(repr=False)
    language: str
    tracking_id: UUID | None


class Transport(Protocol):
    """Open for one batch. A server that does not answer is asked once: the rest of the batch is not kept waiting for as
    many time-outs."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def send(self, message: Outgoing) -> None:
        """Raises SendRefused."""
        ...

    def rehearse(self, message: Outgoing) -> None:
        """As much work as sending it, as far as that goes without sending anything: what a machine is busy with must
        not tell whose message is thrown away. Raises SendRefused."""
        ...
