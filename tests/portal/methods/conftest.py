"""Example Ltd with gateways to the telephone network, and people whose numbers are on file."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.portal.recovery.conftest import Clock, agent, cleo, clock, directory, make_ada, organization, walker
from tests.support import gateway as gateway_support
from tests.support.gateway import Gateway

from keyback.portal.config import GatewayConfig
from keyback.portal.people.models import Policy

__all__ = ["Clock", "agent", "cleo", "clock", "directory", "make_ada", "organization", "walker"]

MOBILE = "+44 7700900123"
OFFICE = "+44 2079460018"


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    """What both text messages and calls leave through."""
    with gateway_support.running() as gateway:
        config = GatewayConfig.model_validate(
            {"url": gateway.url, "fields": {"to": "{to}", "text": "{text}", "language": "{language}"}, "timeout_s": 1}
        )
        settings.CONFIG = settings.CONFIG.model_copy(update={"sms": config, "voice": config})
        yield gateway


def allow(*methods: str, gates: int = 1) -> None:
    Policy.objects.update(methods=list(methods), gates=gates)
