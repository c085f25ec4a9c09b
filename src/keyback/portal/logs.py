"""Log lines without secrets: JSON, one line each, and never a request, a local variable or a setting."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter

__all__ = ["TRACKING_KEY", "JsonLine", "SilentReporter", "WithoutRequest"]


TRACKING_KEY = "keyback.tracking_id"
"""Under which a request's META keeps its tracking id. No header of a client can set it: theirs begin with HTTP_."""


_SECURITY = "django.security."


class WithoutRequest(logging.Filter):
    """Django attaches the whole request to some records; handlers must not be able to print it. Its id stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = record.__dict__.pop("request", None)
        if tracking_id := getattr(request, "META", {}).get(TRACKING_KEY):
            record.__dict__.setdefault("tracking_id", tracking_id)
        if record.name.startswith(_SECURITY):
            # The rest is what a stranger sent, as a host; or a path, and the one of *it was not me* is a secret.
            record.msg, record.args = f"refused: {record.name.removeprefix(_SECURITY)}", ()
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        elif record.name == "django.request":
            record.msg, record.args = f"answered {getattr(record, 'status_code', 500)}", ()
        return True


class JsonLine(logging.Formatter):
    """Time, level, logger, message, tracking id. Of an exception: its type and the places, not its text and no values,
    since the text of a foreign exception may quote what a person typed."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if tracking_id := getattr(record, "tracking_id", None):
            line["tracking_id"] = str(tracking_id)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__qualname__
            line["places"] = [
                f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, ensure_ascii=False)


class SilentReporter(ExceptionReporter):
    """Django's crash report, emptied: it would show local variables, and a password may be among them."""

    def get_traceback_data(self) -> dict[str, Any]:
        return {"exception_type": getattr(self.exc_type, "__name__", "")}

    def get_traceback_text(self) -> SafeString:
        return mark_safe(getattr(self.exc_type, "__name__", ""))  # noqa: S308 — a class name

    def get_traceback_html(self) -> SafeString:
        return self.get_traceback_text()
