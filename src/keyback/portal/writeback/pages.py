"""The page's half of sealing: what its script (static/keyback/sealing.js) is given, and what it sends back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import HttpRequest

from keyback.portal.inputs import json_object
from keyback.portal.writeback.preparation import Preparation
from keyback.protocol.encoding import b64decode
from keyback.protocol.errors import Malformed
from keyback.protocol.limits import MAX_PASSWORD_UTF16, PLAINTEXT_BYTES

__all__ = ["SealedForm", "for_script", "sealed"]


def for_script(preparation: Preparation, *, submit: str, step: str) -> dict[str, Any]:
    """For ``{{ sealing|json_script:"sealing" }}``. ``submit``: the URL that takes the boxes; ``step``: the token that
    ties the form to this step of this browser."""
    return {
        "request_id": str(preparation.envelope.request_id),
        "targets": preparation.for_page(),
        "plaintext_bytes": PLAINTEXT_BYTES,
        "longest": MAX_PASSWORD_UTF16,
        "submit": submit,
        "step": step,
    }


@dataclass(frozen=True, slots=True)
class SealedForm:
    """What a sealing page sends. Whether the boxes fit is for `preparation.submit` to say."""

    step: str
    request_id: UUID
    boxes: dict[UUID, bytes]


def sealed(request: HttpRequest) -> SealedForm:
    """Raises BadRequest for anything but ``{"step", "request_id", "boxes": {agent: box}}``: a password in clear most of
    all."""
    found = json_object(request, {"step", "request_id", "boxes"})
    if not isinstance(found["step"], str) or not isinstance(found["boxes"], dict):
        raise BadRequest("wrong types")
    try:
        found["step"].encode()  # JSON may hold half of a character, which nothing can be compared with
        boxes = {UUID(agent): b64decode(box) for agent, box in found["boxes"].items()}
        return SealedForm(found["step"], UUID(found["request_id"]), boxes)
    except (ValueError, TypeError, AttributeError, Malformed):
        raise BadRequest("malformed boxes") from None
