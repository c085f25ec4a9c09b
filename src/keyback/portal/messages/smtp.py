"""The mail server, and what a mail looks like."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from types import TracebackType

from django.conf import settings

from keyback.credentials import secret_file
from keyback.portal.config import MailConfig
from keyback.portal.messages.transport import Outgoing, SendRefused

__all__ = ["MailServer"]

_TIMEOUT = 10


class MailServer:
    """One connection for a batch, opened when the first mail needs it. A server that does not answer is asked once:
    the rest of the batch is not kept waiting for as many time-outs."""

    def __init__(self, config: MailConfig) -> None:
        self._config = config
        self._connection: smtplib.SMTP | None = None
        self._silent: SendRefused | None = None

    def __enter__(self) -> MailServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def send(self, mail: Outgoing) -> None:
        """Raises SendRefused."""
        self._hand_over(
            mail,
            lambda server, message: server.send_message(message, from_addr=self._config.sender, to_addrs=[mail.to]),
        )

    def rehearse(self, mail: Outgoing) -> None:
        """All but the mail itself. Raises SendRefused."""
        self._hand_over(mail, _chat)

    def _hand_over(self, mail: Outgoing, say: Callable[[smtplib.SMTP, EmailMessage], object]) -> None:
        if self._silent is not None:
            raise self._silent
        try:
            message = _composed(mail, self._config.sender)
            if self._connection is None:
                self._connection = _connected(self._config)
            say(self._connection, message)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0] if error.recipients else 0
            self._close()
            raise SendRefused(f"the address was refused ({code})", permanent=code >= 500) from None
        except smtplib.SMTPAuthenticationError as error:
            self._close()
            raise SendRefused(f"signing in to the mail server failed ({error.smtp_code})", permanent=False) from None
        except smtplib.SMTPResponseException as error:
            self._close()
            raise SendRefused(
                f"the mail server refused ({error.smtp_code})", permanent=error.smtp_code >= 500
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            self._close()
            self._silent = SendRefused(f"no mail server: {type(error).__name__}", permanent=False)
            raise self._silent from None
        except (ValueError, MessageError):
            # An address or a name that makes no header. One broken row must not hold up those behind it. (Last, since
            # a certificate that does not hold is an OSError and a ValueError, too.)
            raise SendRefused("it could not be put into the form of a mail", permanent=True) from None

    def _close(self) -> None:
        if self._connection is not None:
            try:
                self._connection.quit()
            except (OSError, smtplib.SMTPException):
                self._connection.close()
            self._connection = None


def _chat(server: smtplib.SMTP, message: EmailMessage) -> None:
    """As many questions and answers as a mail takes: sender, recipient, text and its end."""
    message.as_bytes()
    for _ in range(4):
        code, text = server.noop()
        if code != 250:
            raise smtplib.SMTPResponseException(code, text)


def _connected(config: MailConfig) -> smtplib.SMTP:
    if config.security == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            config.host, config.port, timeout=_TIMEOUT, context=ssl.create_default_context()
        )
    else:
        connection = smtplib.SMTP(config.host, config.port, timeout=_TIMEOUT)
        if config.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
    if config.user and config.password_file:
        connection.login(config.user, secret_file(config.password_file).read_text("utf-8").strip())
    return connection


def _composed(mail: Outgoing, sender: str) -> EmailMessage:
    """The sender's name says whose service it is and for whom: "Keyback on behalf of Example Ltd"."""
    message = EmailMessage(policy=SMTP_POLICY)
    name = f"{settings.CONFIG.product} on behalf of {mail.organization}"
    message["From"] = Address(display_name=name, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if mail.tracking_id is not None:
        message["Keyback-Tracking-Id"] = str(mail.tracking_id)
    message.set_content(mail.text)
    return message
