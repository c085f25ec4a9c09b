"""Text messages and calls leave through an HTTP gateway, each channel by itself."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from keyback.portal.config import GatewayConfig, MailConfig, ServiceConfig
from keyback.portal.messages import worker
from keyback.portal.messages.models import Channel, Message
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.messages.worker import send_due
from keyback.portal.organizations.models import Organization
from tests.support import gateway as gateway_support
from tests.support.gateway import Gateway
from tests.support.ports import free_port
from tests.support.smtp import Sink
from tests.support.waiting import wait_until


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with gateway_support.running() as running:
        yield running


def use(settings: Any, url: str, **changed: Any) -> None:
    fields = {"to": "{to}", "text": "{text}"}
    config = GatewayConfig.model_validate({"url": url, "fields": fields, "timeout_s": 1} | changed)
    settings.CONFIG = settings.CONFIG.model_copy(update={"sms": config})


def message_for(organization: Organization, now: datetime, channel: Channel = Channel.SMS, **changed: Any) -> Message:
    values: dict[str, Any] = {
        "kind": MessageKind.CODE,
        "to": "+44 7700900123",
        "language": "en",
        "context": {"code": "481 516", "digits": "4, 8, 1, 5, 1, 6", "minutes": 5},
        "now": now,
        "channel": channel,
    }
    return enqueue(organization, **values | changed)


def test_a_form_carries_the_number_and_the_text(
    gateway: Gateway, settings: Any, organization: Organization, now: datetime
) -> None:
    use(settings, gateway.url)
    row = message_for(organization, now)
    assert b"481" not in bytes(row.sealed or b"")
    assert send_due(now, Channel.SMS) == 1
    [posted] = gateway.posts
    fields = parse_qs(posted.body)
    assert fields["to"] == ["+447700900123"]
    assert "481 516" in fields["text"][0]
    assert "Example Ltd" in fields["text"][0]
    row.refresh_from_db()
    assert (row.state, row.sealed) == ("sent", None)


def test_json_may_be_nested_and_secrets_come_from_files(
    gateway: Gateway, settings: Any, organization: Organization, now: datetime, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    use(
        settings,
        gateway.url,
        body="json",
        fields={"to": [{"type": "phone", "number": "{digits}"}], "say": "{text}", "lang": "{language}", "ttl": 300},
        headers={"Authorization": "Bearer {token}", "Idempotency-Key": "{id}"},
        secrets={"token": str(secret)},
    )
    row = message_for(organization, now, language="de")
    send_due(now, Channel.SMS)
    [posted] = gateway.posts
    body = json.loads(posted.body)
    assert body["to"] == [{"type": "phone", "number": "447700900123"}]
    assert (body["lang"], body["ttl"]) == ("de", 300)
    assert posted.headers["Authorization"] == "Bearer s3cret"
    assert posted.headers["Idempotency-Key"] == str(row.id)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fields": {"to": "{to}"}}, "must hold"),
        ({"fields": {"to": "{to}", "text": "{text}{key}"}}, "unknown placeholder"),
        ({"fields": {"to": "{to.__class__}", "text": "{text}"}}, "a placeholder is a name"),
        ({"url": "http://sms.example.test/"}, "https"),
    ],
)
def test_a_wrong_setting_is_told_at_the_start(wrong: dict[str, Any], said: str) -> None:
    fine = {"url": "https://sms.example.test/", "fields": {"to": "{to}", "text": "{text}"}}
    GatewayConfig.model_validate(fine)
    with pytest.raises(ValidationError, match=said):
        GatewayConfig.model_validate(fine | wrong)


@pytest.mark.parametrize(
    ("status", "state"), [(302, "dead"), (400, "dead"), (401, "queued"), (429, "queued"), (503, "queued")]
)
def test_what_may_pass_is_tried_again(
    status: int, state: str, gateway: Gateway, settings: Any, organization: Organization, now: datetime
) -> None:
    use(settings, gateway.url)
    gateway.status = status
    row = message_for(organization, now)
    send_due(now, Channel.SMS)
    row.refresh_from_db()
    assert (row.state, row.problem) == (state, f"the gateway refused ({status})")
    assert len(gateway.posts) == 1


def test_a_code_that_could_not_be_sent_for_five_minutes_dies_unsent(
    settings: Any, organization: Organization, now: datetime
) -> None:
    use(settings, f"http://127.0.0.1:{free_port()}/")
    row = message_for(organization, now)
    moment = now
    while row.state != "dead":
        assert send_due(moment, Channel.SMS) <= 1
        row.refresh_from_db()
        moment += timedelta(seconds=5)
    assert moment - now <= timedelta(minutes=5, seconds=10)
    assert (row.sealed, row.problem) == (None, "no gateway: ConnectError")


def test_a_gateway_that_does_not_answer_is_asked_once_for_a_batch(
    gateway: Gateway, settings: Any, organization: Organization, now: datetime
) -> None:
    use(settings, gateway.url)
    gateway.stalled.set()
    for _ in range(3):
        message_for(organization, now)
    assert send_due(now, Channel.SMS) == 3
    assert len(gateway.posts) == 1
    assert set(Message.objects.values_list("state", "problem")) == {("queued", "no gateway: ReadTimeout")}


@pytest.mark.django_db(transaction=True)
def test_a_stalled_gateway_keeps_no_mail_waiting(
    gateway: Gateway, smtp: Sink, settings: Any, organization: Organization
) -> None:
    use(settings, gateway.url, timeout_s=10)
    mail = MailConfig(host="127.0.0.1", port=smtp.port, sender="keyback@portal.test")
    settings.CONFIG = settings.CONFIG.model_copy(update={"mail": mail})
    gateway.stalled.set()
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run, args=(stop, channel)) for channel in (Channel.SMS, Channel.MAIL)]
    for thread in threads:
        thread.start()
    try:
        now = datetime.now(UTC)
        text = message_for(organization, now)
        wait_until(lambda: gateway.posts, timeout=10, what="the gateway to be asked")
        message_for(organization, now, Channel.MAIL, to="ana@mail.test")
        assert smtp.wait_for(to="ana@mail.test")
        text.refresh_from_db()
        assert text.state == "sending"
    finally:
        stop.set()
        gateway.go_on.set()
        for thread in threads:
            thread.join()


def test_a_service_of_apprise_sends_with_the_number_in_its_url(
    gateway: Gateway, settings: Any, organization: Organization, now: datetime, tmp_path: Path, caplog: Any
) -> None:
    """apprise's own JSON plug-in stands for its hundred others."""
    file = tmp_path / "service"
    file.write_text(gateway.url.replace("http://", "json://user:geheim{x}@") + "/{digits}\n")
    settings.CONFIG = settings.CONFIG.model_copy(update={"sms": ServiceConfig(service=file)})
    message_for(organization, now)
    assert send_due(now, Channel.SMS) == 1
    [posted] = gateway.posts
    assert "481 516" in json.loads(posted.body)["message"]
    assert gateway.paths == ["/send/447700900123"]
    assert Message.objects.get().state == "sent"
    assert "447700900123" not in caplog.text


def test_what_a_service_does_not_take_is_tried_again(
    gateway: Gateway, settings: Any, organization: Organization, now: datetime, tmp_path: Path, caplog: Any
) -> None:
    file = tmp_path / "service"
    settings.CONFIG = settings.CONFIG.model_copy(update={"sms": ServiceConfig(service=file)})
    message_for(organization, now)
    for url, told in (
        (None, "cannot be read"),
        ("nonsense", "does not know the URL"),
        (gateway.url.replace("http://", "json://") + "/{digits}", "the service refused"),
    ):
        if url is not None:
            file.write_text(url)
        gateway.status = 500
        Message.objects.update(next_attempt_at=now)
        send_due(now, Channel.SMS)
        row = Message.objects.get()
        assert (row.state, told in row.problem) == ("queued", True)
    assert "900123" not in caplog.text
