"""What the list of methods says about a telephone: by text message or call, mobile or office."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from keyback.portal.config import GatewayConfig
from keyback.portal.messages.models import Channel
from keyback.portal.people.contacts import phones_of, usable
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.people.phones import mask_phone

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

__all__ = ["PhoneMethod"]


@dataclass(frozen=True)
class PhoneMethod:
    """``question`` is asked for the number; ``sent``: what is on its way, if that number is on file; ``missing``: the
    heading for those who still wait."""

    name: str
    gate: str
    kind: ContactDatum.Kind
    channel: Channel
    noun: StrPromise
    title: StrPromise
    description: StrPromise
    question: StrPromise
    sent: StrPromise
    missing: StrPromise

    @property
    def start(self) -> str:
        return f"{self.name}_start"

    @property
    def enrol(self) -> str:
        return f"{self.name}_add"

    def ready(self) -> bool:
        """Without a gateway nothing can be sent."""
        return (settings.CONFIG.sms if self.channel is Channel.SMS else settings.CONFIG.voice) is not None

    def asks_for_key(self) -> bool:
        """Whether a call asks to press # instead of speaking a code: the gateway must report keys."""
        gateway = settings.CONFIG.voice if self.channel is Channel.VOICE else None
        return isinstance(gateway, GatewayConfig) and gateway.keys is not None

    def masks(self, person: Person) -> list[str]:
        return [mask_phone(number) for _datum, number in usable(phones_of(person, self.kind), timezone.now())]
