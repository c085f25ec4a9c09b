"""Mails that came back."""

import uuid
from datetime import datetime

import pytest

from keyback.portal.messages.bounces import note
from keyback.portal.messages.models import Message
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.models import Organization
from tests.portal.commands import Here

REPORT = """\
From: MAILER-DAEMON@mx.example.test
To: keyback@portal.example.test
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.test

Final-Recipient: rfc822; ana@private.test
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ana@private.test>: unknown

--b1
Content-Type: {kind}

From: Keyback on behalf of Example Ltd <keyback@portal.example.test>
To: ana@private.test
Message-ID: {message_id}
Subject: Your code

--b1--
"""


@pytest.fixture
def sent(organization: Organization, now: datetime) -> Message:
    """A mail that the server took an hour ago."""
    context = {"code": "1234 5678", "minutes": 5}
    row = enqueue(organization, kind=MessageKind.CODE, to="ana@private.test", language="en", context=context, now=now)
    Message.objects.update(state="sent", sent_at=now, sealed=None)
    return row


def report(row_id: object, *, action: str = "failed", kind: str = "text/rfc822-headers") -> bytes:
    return REPORT.format(action=action, kind=kind, message_id=f"<{row_id}@portal.example.test>").encode()


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_a_mail_that_came_back_is_noted_with_its_status(sent: Message, kind: str) -> None:
    assert note(report(sent.pk, kind=kind)) == sent
    row = Message.objects.get()
    assert (row.state, row.problem) == ("dead", "it came back (5.1.1)")


def test_the_operator_sees_it_and_no_address(sent: Message, organization: Organization, here: Here) -> None:
    note(report(sent.pk))
    [line] = here.lines("messages", "list", organization.slug)
    assert line["problem"] == "it came back (5.1.1)"
    assert "ana@" not in str(line)


def test_a_delay_is_no_failure(sent: Message) -> None:
    assert note(report(sent.pk, action="delayed")) is None
    assert Message.objects.get().state == "sent"


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"Subject: on holiday\r\n\r\nI am away.",
        report(uuid.uuid4()),
        report("no-id-of-ours"),
        b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\xff",
        b"\x00" * 1000,
        report(uuid.uuid4()).replace(b"text/rfc822-headers", b"text/rfc822-headers; charset=no-such"),
    ],
)
def test_what_is_no_report_about_ours_is_passed_over(sent: Message, mail: bytes) -> None:
    assert note(mail) is None
    assert Message.objects.get().state == "sent"
