"""Mail: written with what it tells about, encrypted while it waits, erased when it is handed over."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from keyback.portal.config import MailConfig
from keyback.portal.messages import worker
from keyback.portal.messages.models import Channel, Message
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.messages.worker import purge, send_due
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from tests.support.ports import free_port
from tests.support.smtp import Sink, text_of
from tests.support.waiting import wait_until


@pytest.fixture
def mail_to(smtp: Sink, settings: Any) -> Sink:
    """The portal's mail server is the sink."""
    use_server(settings, smtp.port)
    return smtp


def use_server(settings: Any, port: int) -> None:
    mail = MailConfig(host="127.0.0.1", port=port, sender="keyback@portal.test")
    settings.CONFIG = settings.CONFIG.model_copy(update={"mail": mail})


def code_for(organization: Organization, now: datetime, to: str | None = "ana@mail.test", **changed: Any) -> Message:
    values: dict[str, Any] = {
        "kind": MessageKind.CODE,
        "to": to,
        "language": "en",
        "context": {"code": "48151623", "minutes": 10},
        "now": now,
    }
    return enqueue(organization, **values | changed)


def test_a_code_arrives_and_names_whom_it_is_from(mail_to: Sink, organization: Organization, now: datetime) -> None:
    tracking_id = uuid4()
    code_for(organization, now, tracking_id=tracking_id)
    assert send_due(now) == 1
    mail = mail_to.wait_for(to="ana@mail.test")
    assert mail["Subject"] == "Your code from Example Ltd"
    assert mail["From"] == "Keyback on behalf of Example Ltd <keyback@portal.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Keyback-Tracking-Id"] == str(tracking_id)
    text = text_of(mail)
    assert "48151623" in text
    assert "within 10 minutes" in text
    assert "http" not in text


def test_text_and_address_wait_encrypted_and_are_erased_at_hand_over(
    mail_to: Sink, organization: Organization, now: datetime
) -> None:
    row = code_for(organization, now)
    assert b"48151623" not in bytes(row.sealed or b"")
    assert b"ana" not in bytes(row.sealed or b"")
    send_due(now)
    row.refresh_from_db()
    assert (row.state, row.sealed, row.sent_at) == ("sent", None, now)


def test_a_message_moved_to_another_row_is_not_sent(mail_to: Sink, organization: Organization, now: datetime) -> None:
    one = code_for(organization, now)
    two = code_for(organization, now, to="ben@mail.test")
    Message.objects.filter(pk=two.pk).update(sealed=one.sealed)
    send_due(now)
    assert len(mail_to.messages) == 1
    two.refresh_from_db()
    assert (two.state, two.sealed) == ("dead", None)


def test_for_an_unknown_person_the_same_row_is_written_and_nothing_is_sent(
    mail_to: Sink, organization: Organization, now: datetime
) -> None:
    known = code_for(organization, now)
    unknown = code_for(organization, now, to=None)
    assert abs(len(bytes(known.sealed or b"")) - len(bytes(unknown.sealed or b""))) <= 48
    send_due(now)
    known.refresh_from_db()
    unknown.refresh_from_db()
    assert (known.state, known.sealed) == (unknown.state, unknown.sealed) == ("sent", None)
    assert [str(mail["X-RcptTo"]) for mail in mail_to.messages] == ["ana@mail.test"]


def test_a_message_that_is_thrown_away_waits_for_the_mail_server_as_the_others_do(
    settings: Any, smtp: Sink, organization: Organization, now: datetime
) -> None:
    use_server(settings, free_port())
    known, unknown = code_for(organization, now), code_for(organization, now, to=None)
    send_due(now)
    for row in (known, unknown):
        row.refresh_from_db()
        assert (row.state, row.attempts, row.problem) == ("queued", 1, "no mail server: ConnectionRefusedError")
    use_server(settings, smtp.port)
    send_due(now + timedelta(seconds=6))
    known.refresh_from_db()
    unknown.refresh_from_db()
    assert known.state == unknown.state == "sent"
    assert len(smtp.messages) == 1


def test_a_code_that_could_not_be_sent_for_five_minutes_dies_unsent(
    settings: Any, organization: Organization, now: datetime
) -> None:
    use_server(settings, free_port())
    row = code_for(organization, now)
    moment = now
    while row.state != "dead":
        assert send_due(moment) <= 1
        row.refresh_from_db()
        moment += timedelta(seconds=5)
    assert moment - now <= timedelta(minutes=5, seconds=10)
    assert row.sealed is None
    assert row.problem == "no mail server: ConnectionRefusedError"


def test_a_mail_server_that_comes_back_gets_what_waited(
    settings: Any, smtp: Sink, organization: Organization, now: datetime
) -> None:
    use_server(settings, free_port())
    code_for(organization, now)
    send_due(now)
    use_server(settings, smtp.port)
    assert send_due(now) == 0
    assert send_due(now + timedelta(seconds=6)) == 1
    assert smtp.wait_for(to="ana@mail.test")


def test_a_worker_that_dies_while_sending_loses_nothing(
    mail_to: Sink, organization: Organization, now: datetime
) -> None:
    row = code_for(organization, now)
    worker._claim(now, Channel.MAIL)
    row.refresh_from_db()
    assert row.state == "sending"
    assert send_due(now + timedelta(seconds=29)) == 0
    assert send_due(now + timedelta(seconds=30)) == 1
    assert mail_to.wait_for(to="ana@mail.test")


def test_a_refusal_keeps_neither_address_nor_reply(organization: Organization, now: datetime, settings: Any) -> None:
    from aiosmtpd.controller import Controller

    class Refusing:
        async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
            return f"550 no such user {address}"

    controller = Controller(Refusing(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        use_server(settings, controller.port)
        row = code_for(organization, now)
        send_due(now)
    finally:
        controller.stop()
    row.refresh_from_db()
    assert (row.state, row.sealed, row.problem) == ("dead", None, "the address was refused (550)")


@pytest.mark.parametrize("address", ['"a\x01"@example.test', "a@b@c", '"a', "a\r\nb@example.test", "<>"])
def test_an_address_that_makes_no_mail_holds_up_nobody(
    mail_to: Sink, organization: Organization, now: datetime, address: str
) -> None:
    broken = code_for(organization, now, to=address)
    Message.objects.filter(pk=broken.pk).update(discard=False)
    code_for(organization, now, to="ben@mail.test")
    assert send_due(now) == 2
    assert mail_to.wait_for(to="ben@mail.test")
    broken.refresh_from_db()
    assert (broken.state, broken.sealed) == ("dead", None)


def test_a_line_break_in_a_name_begins_no_header(mail_to: Sink, organization: Organization, now: datetime) -> None:
    Organization.objects.filter(pk=organization.pk).update(name="Example\r\nBcc: thief@mail.test")
    organization.refresh_from_db()
    code_for(organization, now)
    send_due(now)
    assert [str(mail["X-RcptTo"]) for mail in mail_to.messages] == ["ana@mail.test"]
    assert mail_to.messages[0]["Bcc"] is None


def test_a_row_of_a_transaction_that_failed_is_not_there(organization: Organization, now: datetime) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        code_for(organization, now)
        raise ZeroDivisionError
    assert not Message.objects.exists()


@pytest.mark.parametrize("kind", list(MessageKind))
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_kind_has_a_subject_of_one_line_and_a_text(
    mail_to: Sink, organization: Organization, now: datetime, kind: MessageKind, language: str
) -> None:
    context = {
        "code": "48151623",
        "minutes": 10,
        "when": "22 November 2026, 12:00 UTC",
        "tracking_id": "4711",
        "agent": "dc-room <1>",
        "fingerprint": "aaaa bbbb",
        "by": "operator:olga",
        "written": "yes",
        "still_expired": "yes",
        "forest": "corp.test",
        "slug": "example",
    }
    code_for(organization, now, kind=kind, language=language, context=context)
    send_due(now)
    mail = mail_to.wait_for(to="ana@mail.test")
    assert "Example Ltd" in mail["Subject"]
    text = text_of(mail)
    assert "{" not in text
    assert "&" not in text
    assert "Keyback" in text


@pytest.mark.django_db(transaction=True)
def test_the_running_worker_sends_what_is_queued(smtp: Sink, settings: Any) -> None:
    use_server(settings, smtp.port)
    now = datetime.now(UTC)
    organization = setup.create("Example Ltd", by="operator:test", now=now)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=[stop])
    thread.start()
    try:
        code_for(organization, now)
        smtp.wait_for(to="ana@mail.test")
        wait_until(lambda: Message.objects.get().state == "sent", what="the record of the hand-over")
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_sent_mail_is_forgotten_after_a_month(mail_to: Sink, organization: Organization, now: datetime) -> None:
    code_for(organization, now)
    send_due(now)
    assert purge(now + timedelta(days=29)) == 0
    assert purge(now + timedelta(days=30)) == 1
