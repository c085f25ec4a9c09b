"""Mails that came back: what a mail server reports later (RFC 3464) is noted at the message that it is about."""

from __future__ import annotations

import email
import email.policy
import re
import uuid
from email.message import EmailMessage, Message

from keyback.portal.messages import models

__all__ = ["note"]

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def note(report: bytes) -> models.Message | None:
    """The message, with what became of it; None where the report is about none of ours, or of no failure.

    A report proves nothing: anybody may send one who got the mail, since its id stands there. So it is only noted, and
    changes nothing that is on file.
    """
    parsed = email.message_from_bytes(report, policy=email.policy.default)
    status = _failure(parsed)
    found = _about(parsed)
    if status is None or found is None:
        return None
    row = models.Message.objects.filter(pk=found, channel=models.Channel.MAIL, discard=False).first()
    if row is None:
        return None
    row.state, row.problem = models.Message.State.DEAD, f"it came back ({status})"
    row.save(update_fields=["state", "problem"])
    return row


def _failure(parsed: EmailMessage) -> str | None:
    """The status of the first recipient to whom delivery failed for good."""
    for part in parsed.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in part.iter_parts() if part.is_multipart() else ():
            if str(block.get("Action", "")).strip().lower() == "failed":
                status = _STATUS.search(str(block.get("Status", "")))
                return status.group() if status else "failed"
    return None


def _about(parsed: EmailMessage) -> uuid.UUID | None:
    """The id of the mail whose headers the report carries."""
    for part in parsed.walk():
        if part.get_content_type() == "message/rfc822":
            inner: Message | None = next(iter(part.iter_parts()), None)
        elif part.get_content_type() == "text/rfc822-headers":
            headers = part.get_payload(decode=True)
            inner = email.message_from_bytes(
                headers if isinstance(headers, bytes) else b"", policy=email.policy.default
            )
        else:
            continue
        named = str(inner.get("Message-ID", "")) if inner is not None else ""
        try:
            return uuid.UUID(named.strip().strip("<>").partition("@")[0])
        except ValueError:
            return None
    return None
