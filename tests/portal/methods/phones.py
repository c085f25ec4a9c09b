"""A person with a telephone in their hand, beside the browser."""

import re
from urllib.parse import parse_qs

from django.utils import timezone
from tests.portal.walk import Page, Walker
from tests.support.gateway import Gateway

from keyback.portal.messages.models import Channel
from keyback.portal.messages.worker import send_due


def ask(walker: Walker, page: Page, method: str, number: str) -> Page:
    """From the list of methods, or the page of the code, to the page of the code."""
    path = f"/recover/{method}/"
    if f"{path}start" in page.forms:
        page = walker.post(f"{path}start", page.forms[f"{path}start"])
    else:
        page = walker.get(f"{path}number")
    return walker.post(f"{path}number", page.forms[f"{path}number"] | {"number": number})


def type_code(walker: Walker, page: Page, method: str, code: str) -> Page:
    path = f"/recover/{method}/"
    return walker.post(path, page.forms[path] | {"code": code})


def arrived(gateway: Gateway, channel: Channel = Channel.SMS) -> list[dict[str, str]]:
    """Everything the gateway has been given, once what is due has been sent."""
    send_due(timezone.now(), channel)
    return [{name: values[0] for name, values in parse_qs(post.body).items()} for post in gateway.posts]


def texted(gateway: Gateway) -> str:
    """The newest code by text message."""
    found = re.search(r"\b(\d{3} \d{3})\b", arrived(gateway)[-1]["text"])
    assert found
    return found.group(1)


def spoken(gateway: Gateway) -> str:
    """The newest code that a voice says, and it says it twice."""
    codes = re.findall(r"\d(?:, \d){5}", arrived(gateway, Channel.VOICE)[-1]["text"])
    assert len(codes) == 2
    assert codes[0] == codes[1]
    return str(codes[0]).replace(", ", "")
