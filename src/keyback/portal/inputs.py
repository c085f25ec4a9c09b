"""What a browser may send: known fields, each once, as clean text of a stated length. Anything else is 400."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest

__all__ = ["form_fields", "json_object"]

_ALWAYS = {"csrfmiddlewaretoken": 200}


def form_fields(request: HttpRequest, fields: Mapping[str, int]) -> dict[str, str]:
    """The named fields of a posted form. ``fields``: each name and its greatest length in characters.

    Raises BadRequest when one is missing, repeated, too long or unclean, or when there is a field more. An honest
    browser sends exactly what the page has; whatever differs is not guessed at.
    """
    allowed = {**fields, **_ALWAYS}
    if request.GET or not request.POST.keys() <= allowed.keys() or not fields.keys() <= request.POST.keys():
        raise BadRequest("the fields are not those of the form")
    found = {}
    for name in fields:
        values = request.POST.getlist(name)
        if len(values) != 1 or len(values[0]) > allowed[name] or not _clean(values[0]):
            raise BadRequest(f"the field {name} is malformed")
        found[name] = values[0]
    return found


def json_object(request: HttpRequest, fields: set[str]) -> dict[str, Any]:
    """The posted JSON object with exactly these fields. Raises BadRequest."""
    if request.GET or request.content_type != "application/json":
        raise BadRequest("JSON is expected")
    try:
        found = json.loads(request.body.decode("utf-8"), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError):
        raise BadRequest("not JSON") from None
    if not isinstance(found, dict) or found.keys() != fields:
        raise BadRequest("the fields are not those of the page")
    return found


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated field")
    return found


def _clean(text: str) -> bool:
    # U+FFFD stands where the bytes were not UTF-8. Line breaks and other controls are in no field of ours.
    return not any(c == "�" or unicodedata.category(c) in ("Cc", "Cs") for c in text)
