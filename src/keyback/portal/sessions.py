"""Sessions of which the database cannot make use: it knows a browser's session id only as a hash, so that whoever reads
a row cannot take over a recovery that is past its gate; and what a session holds is signed together with that hash, so
that whoever writes rows cannot paste one browser's session into another's.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from keyback.portal import sql

__all__ = ["SessionStore"]

# Written out, since nearly every page begins with it.
_VALID = (
    f"SELECT {sql.columns(Session, 's')} FROM {Session._meta.db_table} s "  # noqa: S608 — a table's name
    "WHERE s.session_key = %(key)s AND s.expire_date > %(now)s"
)


class SessionStore(db.SessionStore):
    @property
    def key_salt(self) -> str:
        return f"keyback.session.{_row_of(self.session_key)}"

    def exists(self, session_key: str) -> bool:
        """Asked of ids just drawn. Nobody draws 165 bits twice, and the row is inserted, never overwritten."""
        return False

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=_row_of(key)).delete()

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        row = super().create_model_instance(data)
        row.session_key = _row_of(row.session_key)
        return row

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        given = sql.values(key=_row_of(self.session_key), now=timezone.now())
        found = sql.instances(_VALID, given, Session)
        if not found:
            self._session_key = None
            return None
        row: Session = found[0][0]
        return row


def _row_of(session_key: str | None) -> str:
    """40 hex digits (Django's column has room for no more): 160 bits of an id that has 165."""
    return hashlib.sha256((session_key or "").encode("utf-8", "surrogatepass")).hexdigest()[:40]
