"""Ways to prove who one is. Each is a folder here with ``method.py`` (``METHOD``), ``urls.py`` (``urlpatterns`` under
/recover/<method>/, and ``enrolment`` under /security-info/<method>/ where people put it on file themselves) and its
templates; adding one edits no other file.

The rules for all: nothing that a browser sees before the first gate may depend on whether the person exists; and a
gate is opened only through :func:`keyback.portal.recovery.gates.open_gate`, with the name of the method that was
proved.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Protocol

from keyback.portal.people.models import Person

if TYPE_CHECKING:
    from django.urls import URLPattern
    from django.utils.functional import _StrPromise as StrPromise

__all__ = ["Method", "enrolment_urls", "installed"]


class Method(Protocol):
    """``name``: the folder's. ``gate``: what a person holds who can prove it; methods of one gate open it once.
    ``start``: name of the URL that a POST begins it with. ``enrol``: name of the URL of the page, under
    /security-info/<method>/, where people put it on file themselves; empty where somebody else does. ``title`` and
    ``description`` (as it is offered for proving) and ``noun`` (as it is on file) are translated when shown."""

    @property
    def name(self) -> str: ...

    @property
    def gate(self) -> str: ...

    @property
    def start(self) -> str: ...

    @property
    def enrol(self) -> str: ...

    @property
    def noun(self) -> StrPromise: ...

    @property
    def title(self) -> StrPromise: ...

    @property
    def description(self) -> StrPromise: ...

    def ready(self) -> bool:
        """Whether this portal is set up for it."""
        ...

    def masks(self, person: Person) -> list[str]:
        """What is on file for this person, half hidden. Empty: this person cannot use the method."""
        ...


@cache
def installed() -> dict[str, Method]:
    """Every method there is, by name."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    return {name: importlib.import_module(f"{__name__}.{name}.method").METHOD for name in names}


def enrolment_urls() -> dict[str, list[URLPattern]]:
    """Method → addresses of its pages for putting it on file."""
    modules = {name: importlib.import_module(f"{__name__}.{name}.urls") for name in installed()}
    return {name: module.enrolment for name, module in modules.items() if hasattr(module, "enrolment")}
