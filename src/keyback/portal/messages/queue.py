"""Mail, text messages and calls are written as a row in the transaction of what it tells about, and sent by the
workers. Text and address are encrypted."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from keyback.portal import wake
from keyback.portal.messages.models import Channel, Message
from keyback.portal.organizations.models import Organization
from keyback.portal.vault import seal_value
from keyback.protocol.encoding import canonical_json

__all__ = ["CODE_LIFE", "NOTICE_LIFE", "MessageKind", "enqueue"]

NOTICE_LIFE = timedelta(hours=24)
CODE_LIFE = timedelta(minutes=5)
"""A code that could not be sent for so long dies unsent: by then its recovery has another, or is over."""


class MessageKind(StrEnum):
    """Each has two templates under templates/mail: ``<kind>.subject.txt`` and ``<kind>.txt``. What a code by telephone
    says is ``<channel>/code.txt``, with the method."""

    CODE = "code"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 — a kind's name
    NOT_ME = "not_me"
    SECURITY_INFO_CHANGED = "security_info_changed"
    CONTACT_CHANGED = "contact_changed"
    CONTACT_FORM = "contact_form"
    RESET_TOLD = "reset_told"
    AGENT_ONBOARDED = "agent_onboarded"
    REMOVALS_HELD = "removals_held"
    WRITEBACK_FELL_SHORT = "writeback_fell_short"
    WRITEBACK_UNSURE_RESOLVED = "writeback_unsure_resolved"


def enqueue(
    organization: Organization,
    *,
    kind: MessageKind,
    to: str | None,
    language: str,
    context: Mapping[str, str | int],
    now: datetime,
    tracking_id: UUID | None = None,
    expires_in: timedelta = NOTICE_LIFE,
    discard: bool = False,
    channel: Channel = Channel.MAIL,
) -> Message:
    """Writes the row; it joins the caller's transaction and wakes the worker when that commits.

    ``discard``: for an unknown person. The same text is rendered and encrypted and the same row written, and the worker
    throws it away instead of sending it. Without an address there is nothing else to do, so ``to=None`` means the same.
    """
    row_id = uuid.uuid4()
    content = {
        "to": to or "nobody@invalid",
        "organization": _one_line(organization.name),
        "language": language,
        **_rendered(organization, kind, channel, language, context),
    }
    sealed = seal_value(organization.id, row_id, "message", canonical_json(content).decode("ascii"))
    message = Message.objects.create(
        id=row_id,
        organization=organization,
        kind=kind.value,
        channel=channel.value,
        tracking_id=tracking_id,
        discard=discard or not to,
        sealed=sealed.encode("ascii"),
        created_at=now,
        next_attempt_at=now,
        expires_at=now + (CODE_LIFE if kind is MessageKind.CODE else expires_in),
    )
    wake.notify(channel.value)
    return message


def _rendered(
    organization: Organization, kind: MessageKind, channel: Channel, language: str, context: Mapping[str, str | int]
) -> dict[str, str]:
    values = {
        **context,
        "organization": organization.name,
        "product": settings.CONFIG.product,
        "public_url": settings.CONFIG.public_url,
    }
    with translation.override(language or settings.LANGUAGE_CODE):
        if channel is not Channel.MAIL:
            return {"subject": "", "text": _one_line(render_to_string(f"{channel.value}/{kind.value}.txt", values))}
        subject = render_to_string(f"mail/{kind.value}.subject.txt", values)
        text = render_to_string(f"mail/{kind.value}.txt", values)
    return {"subject": _one_line(subject), "text": text.strip() + "\n"}


def _one_line(text: str) -> str:
    """What stands in a header is one line, whatever a name in it holds: a line break would begin another header."""
    return " ".join(text.split())
