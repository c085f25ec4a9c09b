"""Adding a passkey: the browser makes it, and its public half is put on file."""

from __future__ import annotations

import secrets

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from keyback.portal.inputs import form_fields
from keyback.portal.methods.passkey import ceremony
from keyback.portal.methods.passkey.method import METHOD, MOST
from keyback.portal.methods.passkey.views import LONGEST_ANSWER
from keyback.portal.securityinfo import registered
from keyback.portal.securityinfo.enrolling import Enrolment, added, enrolling, keep, kept, page

__all__ = ["add"]

LONGEST_LABEL = 40


@enrolling(METHOD.name)
def add(request: HttpRequest, enrolment: Enrolment) -> HttpResponse:
    if request.method == "GET":
        return _page(request, enrolment)
    fields = form_fields(request, {"label": LONGEST_LABEL, "answer": LONGEST_ANSWER})
    challenge = kept(request, enrolment, forget=True)
    try:
        made = ceremony.make(ceremony.answer_to(fields["answer"]), bytes.fromhex(challenge or ""))
    except ceremony.AnswerRefused:
        return _page(request, enrolment, fields["label"], _("No passkey was made. Try once more."))
    kind = _("synced") if made.synced else _("on one device")
    registered.add(
        enrolment.person,
        METHOD.name,
        label=f"{fields['label'].strip() or _('Passkey')} ({kind})",
        secret={"id": made.id.hex(), "public_key": made.public_key.hex(), "synced": made.synced},
        most=MOST,
        by="self",
        now=timezone.now(),
        opens_from=enrolment.opens_from,
        lookup=ceremony.lookup(enrolment.person, made.id),
        counter=made.counter,
        tracking_id=enrolment.tracking_id,
    )
    return added(request, enrolment)


def _page(request: HttpRequest, enrolment: Enrolment, label: str = "", error: str = "") -> HttpResponse:
    """Each page has a challenge of its own; an answer to an older one is refused."""
    challenge = secrets.token_bytes(32)
    keep(request, enrolment, challenge.hex())
    have = [bytes.fromhex(one.secret["id"]) for one in registered.on_file(enrolment.person, METHOD.name)]
    return page(
        request,
        enrolment,
        "methods/passkey/add.html",
        [("use-passkey", error)] if error else None,
        options=ceremony.to_make(enrolment.person, challenge, have),
        label=label,
        longest_label=LONGEST_LABEL,
        error_text=error,
    )
