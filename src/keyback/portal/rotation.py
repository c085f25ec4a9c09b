"""A new key for what is encrypted at rest: everything is encrypted again under it, and then the old one may go.

Two steps with time between them, because another process may still be committing what it encrypted a moment before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import models

from keyback.portal.account.models import Provider
from keyback.portal.audit.models import AuditPersonal
from keyback.portal.messages.models import Message
from keyback.portal.organizations.models import Administrator
from keyback.portal.people.models import ContactDatum
from keyback.portal.recovery.models import Recovery
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.vault import VaultMismatch, renew_value

__all__ = ["drop", "rotate"]

_PLACES: tuple[tuple[type[models.Model], str], ...] = (
    (Administrator, "mail"),
    (ContactDatum, "value"),
    (RegisteredMethod, "sealed"),
    (Provider, "secret"),
    (AuditPersonal, "value"),
    (Message, "sealed"),
    (Recovery, "origin"),
)


def rotate() -> tuple[str, int]:
    """A new key, and everything encrypted under it. The key's file name, and how many values."""
    name = settings.KEYRING.add_rest_key()
    return name, _renew_all()


def drop() -> list[str]:
    """Encrypts again what came since, and removes the old keys. Their file names. Raises VaultMismatch, and removes
    nothing, when a value cannot be opened."""
    _renew_all()
    return list(settings.KEYRING.drop_old_rest_keys())


def _renew_all() -> int:
    return sum(_renew(model, field) for model, field in _PLACES)


def _renew(model: type[models.Model], field: str) -> int:
    renewed = 0
    for pk, old in _values(model, field):
        is_text = isinstance(old, str)
        try:
            token = renew_value(old if is_text else bytes(old).decode("ascii"))
        except VaultMismatch:
            raise VaultMismatch(f"{model.__name__} {pk}: its {field} cannot be opened with any key") from None
        new = token if is_text else token.encode("ascii")
        # Only what is still there: another process may have changed or erased it meanwhile.
        renewed += _manager(model).filter(pk=pk, **{field: old}).update(**{field: new})
    return renewed


def _values(model: type[models.Model], field: str) -> Iterator[tuple[Any, Any]]:
    rows: Iterator[tuple[Any, Any]] = (
        _manager(model).exclude(**{field: None}).order_by("pk").values_list("pk", field).iterator(chunk_size=500)
    )
    return rows


def _manager(model: type[models.Model]) -> models.Manager[Any]:
    manager: models.Manager[Any] = model._default_manager
    return manager
