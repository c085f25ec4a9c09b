"""Up to where the changes of a directory have been brought to the portal: kept in the journal, over restarts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from keyback.agent.catalogue import Kind
from keyback.agent.config import ForestConfig
from keyback.agent.events import Events
from keyback.agent.journal import Journal
from keyback.directory import Changes, Connection, changes, changes_by_usn, mark, usn
from keyback.directory.dirsync import NOT_GRANTED, attributes_in
from keyback.directory.errors import Unforeseen
from keyback.protocol.encoding import b64decode, b64encode

__all__ = ["Marks"]


@dataclass(slots=True)
class _Place:
    """``dirsync``: the cookie. ``usn``: the highest number seen, by the controller's invocationId. ``asked``: what of
    the agent's file decides who is in scope and what is told of them; after a change of it everybody is read anew."""

    asked: str
    dirsync: str = ""
    usn: dict[str, int] = field(default_factory=dict)


class Marks:
    """Those of one forest."""

    def __init__(self, config: ForestConfig, journal: Journal, events: Events) -> None:
        self._config = config
        self._journal = journal
        self._events = events
        self._name = f"marks:{config.name}"
        self._asked = _fingerprint(config)

    def now(self, connection: Connection) -> str:
        """The place of now, to be kept when everybody was brought to the portal. Raises DirectoryError."""
        before = self._read()
        try:
            return self._text(_Place(self._asked, dirsync=b64encode(mark(connection))))
        except NOT_GRANTED as error:
            if before is None or before.dirsync:
                self._events.write(
                    Kind.CHANGES_BY_USN,
                    f"{Kind.CHANGES_BY_USN.value.meaning} {error.message}",
                    forest=self._config.name,
                )
        return self._text(_Place(self._asked, usn={str(connection.root.invocation_id): usn(connection)}))

    def changes(self, connection: Connection) -> tuple[Changes, str] | None:
        """What has changed since the place that is kept, and the place after it. None where nothing is kept that this
        controller could tell the changes since: then everybody has to be read. Raises DirectoryError."""
        place = self._read()
        if place is None:
            return None
        if place.dirsync:
            try:
                found = changes(connection, b64decode(place.dirsync), self._attributes())
            except (*NOT_GRANTED, Unforeseen):
                return None  # another controller, or one that was restored, which does not take the cookie
            return found, self._text(_Place(self._asked, dirsync=b64encode(found.mark)))
        known = place.usn.get(str(connection.root.invocation_id))
        if known is None:
            return None
        found = changes_by_usn(connection, known)
        # The others' numbers go: who is asked again later may have missed what this one told meanwhile, or not.
        numbers = {str(connection.root.invocation_id): int(found.mark)}
        return found, self._text(_Place(self._asked, usn=numbers))

    def keep(self, place: str) -> None:
        if self._journal.note(self._name) != place:
            self._journal.write_note(self._name, place)

    def _attributes(self) -> tuple[str, ...]:
        config = self._config
        return (*config.shape.attributes, *attributes_in(config.filter), *attributes_in(config.group_filter))

    def _read(self) -> _Place | None:
        text = self._journal.note(self._name)
        place = None if text is None else _Place(**json.loads(text))
        return place if place is not None and place.asked == self._asked else None

    @staticmethod
    def _text(place: _Place) -> str:
        return json.dumps({"asked": place.asked, "dirsync": place.dirsync, "usn": place.usn})


def _fingerprint(config: ForestConfig) -> str:
    decides = config.model_dump_json(
        include={"base_dns", "filter", "anchor", "contacts", "group_base_dns", "group_filter"}
    )
    return hashlib.sha256(decides.encode()).hexdigest()
