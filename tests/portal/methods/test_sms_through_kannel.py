"""A text message all the way: the page, the worker, Debian's kannel as docs/operations.md sets it up, and the centre of
an operator behind it, which is kannel's own fake one."""

import re
from pathlib import Path
from typing import Any

from django.utils import timezone
from tests.portal.methods.conftest import MOBILE, allow
from tests.portal.methods.phones import ask, type_code
from tests.portal.walk import Walker
from tests.support import kannel

from keyback.portal.config import GatewayConfig
from keyback.portal.messages.models import Channel, Message
from keyback.portal.messages.worker import send_due
from keyback.portal.people.contacts import add_phone
from keyback.portal.people.models import ContactDatum, Person


def test_the_code_reaches_the_operator_again_where_it_is_asked_for_again_and_opens_the_gate(
    cleo: Person, settings: Any, tmp_path: Path
) -> None:
    walker = Walker(language="de")
    allow("sms")
    add_phone(cleo, MOBILE, ContactDatum.Kind.MOBILE, origin="operator", by="operator:test", now=timezone.now())
    with kannel.running(tmp_path) as gateway:
        password = tmp_path / "kannel-password"
        password.write_text("wrong\n")
        config = GatewayConfig.model_validate(
            {
                "url": gateway.url,
                "body": "text",
                "fields": {"text": "{text}"},
                "headers": {"X-Kannel-Username": "keyback", "X-Kannel-Password": "{password}", "X-Kannel-To": "{to}"},
                "secrets": {"password": str(password)},
            }
        )
        settings.CONFIG = settings.CONFIG.model_copy(update={"sms": config})
        page = ask(walker, walker.identify("cleo@example.test"), "sms", MOBILE)
        send_due(timezone.now(), Channel.SMS)
        assert Message.objects.get().problem == "the gateway refused (403)"

        password.write_text(f"{gateway.password}\n")
        Message.objects.update(next_attempt_at=timezone.now())
        send_due(timezone.now(), Channel.SMS)
        gateway.wait_for(1)
        page = ask(walker, page, "sms", MOBILE)
        send_due(timezone.now(), Channel.SMS)
        (_, first), (to, second) = gateway.wait_for(2)
    assert to == "+447700900123"
    assert re.fullmatch(r"\d{3} \d{3} ist Ihr Code für .*", second)
    assert first[:7] != second[:7]
    assert type_code(walker, page, "sms", second[:7]).heading == "Wie soll Ihr neues Passwort lauten?"
