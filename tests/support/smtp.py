"""A mail server that keeps what it is given."""

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.ports import free_port
from tests.support.waiting import wait_until


class Sink:
    """Accepts every message. `messages` is in order of arrival; `X-RcptTo` holds each one's envelope."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        message = email.message_from_bytes(raw, policy=email.policy.default)
        message["X-RcptTo"] = ", ".join(envelope.rcpt_tos)
        self.messages.append(message)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """The messages whose envelope names `address`."""
        return [m for m in self.messages if address.lower() in str(m["X-RcptTo"]).lower().split(", ")]

    def wait_for(self, *, to: str, timeout: float = 10, after: int = 0) -> EmailMessage:
        """The newest message to `to` once there are more than `after` of them.

        AssertionError after `timeout` seconds.
        """
        arrived = wait_until(lambda: self.to(to)[after:], timeout=timeout, what=f"a message to {to}")
        return arrived[-1]

    def clear(self) -> None:
        """Forget what came so far."""
        self.messages.clear()


def text_of(message: EmailMessage) -> str:
    """The plain text of a message, as a person without pictures reads it."""
    body = message.get_body(preferencelist=("plain",))
    if body is None:
        raise AssertionError(f"the message {message['Subject']!r} has no plain text")
    return str(body.get_content())


@contextmanager
def sink() -> Iterator[Sink]:
    """Run a sink in a thread."""
    handler = Sink()
    controller = Controller(handler, hostname=handler.host, port=handler.port)
    controller.start()
    try:
        yield handler
    finally:
        controller.stop()
