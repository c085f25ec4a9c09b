"""One of the services that apprise can reach: text messages and calls through a provider without an HTTP gateway of
one's own."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote

from keyback.portal.config import ServiceConfig
from keyback.portal.messages.transport import Outgoing, SendRefused

if TYPE_CHECKING:
    import apprise

__all__ = ["Service"]

# It would log numbers and texts.
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("apprise").propagate = False


class Service:
    """apprise says no more than whether a message was taken: what was not is tried again while it lives."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._silent: SendRefused | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def send(self, message: Outgoing) -> None:
        """Raises SendRefused. After a first refusal the rest of the batch waits for the next: it is the service that
        refuses, as a rule, and not the number."""
        if self._silent is not None:
            raise self._silent
        service = self._for(message)
        if not service.notify(body=message.text, body_format="text"):
            self._silent = SendRefused("the service refused, or did not answer", permanent=False)
            raise self._silent

    def rehearse(self, message: Outgoing) -> None:
        """Up to the request. Raises SendRefused."""
        self._for(message)

    def _for(self, message: Outgoing) -> apprise.Apprise:
        # Two thirds of a second to load, which a portal without such a service does not spend.
        import apprise

        try:
            url = self._config.service.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise SendRefused("the service's file cannot be read", permanent=False) from None
        number = message.to.replace(" ", "")
        service = apprise.Apprise()
        # Not str.format: braces in a password are its own.
        url = url.replace("{to}", quote(number, safe="")).replace("{digits}", number.removeprefix("+"))
        if not service.add(url):
            raise SendRefused("apprise does not know the URL in the service's file", permanent=False)
        return service
