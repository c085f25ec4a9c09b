"""Adding an authenticator app: a picture or a text for the app, and the code that it then shows."""

from __future__ import annotations

import segno
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from keyback.portal.inputs import form_fields
from keyback.portal.methods.authenticator.enrol import add_app, new_secret, uri
from keyback.portal.methods.authenticator.method import METHOD
from keyback.portal.methods.authenticator.proof import DIGITS
from keyback.portal.methods.codes import digits_of
from keyback.portal.securityinfo.enrolling import Enrolment, added, enrolling, keep, kept, page

__all__ = ["add"]

LONGEST_LABEL = 40


@enrolling(METHOD.name)
def add(request: HttpRequest, enrolment: Enrolment) -> HttpResponse:
    secret = kept(request, enrolment)
    if secret is None:
        secret = new_secret()
        keep(request, enrolment, secret)
    if request.method == "GET":
        return _page(request, enrolment, secret)
    fields = form_fields(request, {"label": LONGEST_LABEL, "code": 40})
    label = fields["label"].strip() or _("Authenticator app")
    code = digits_of(fields["code"], DIGITS)
    if code is None:
        return _page(request, enrolment, secret, label, _("The code has 6 digits. Enter all of them."))
    now = timezone.now()
    row = add_app(
        enrolment.person,
        secret,
        code,
        label=label,
        by="self",
        now=now,
        opens_from=enrolment.opens_from,
        tracking_id=enrolment.tracking_id,
    )
    if row is None:
        wrong = _("That is not what the app should show. Is the time of your phone right? Type the newest code.")
        return _page(request, enrolment, secret, label, wrong)
    kept(request, enrolment, forget=True)
    return added(request, enrolment)


def _page(request: HttpRequest, enrolment: Enrolment, secret: str, label: str = "", error: str = "") -> HttpResponse:
    picture = segno.make(uri(enrolment.person, secret), error="m", micro=False)
    return page(
        request,
        enrolment,
        "methods/authenticator/add.html",
        [("code", error)] if error else None,
        # Only squares: what segno draws of a text that it was given.
        picture=mark_safe(picture.svg_inline(omitsize=True, border=4, dark="#000000", light="#ffffff")),  # noqa: S308
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        label=label,
        longest_label=LONGEST_LABEL,
        error_text=error,
    )
