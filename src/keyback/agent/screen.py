"""What the agent itself holds new passwords against, beyond the directory's policy: banned words, names, breaches.

The organization's list comes over the agents' door, signed by the people's door. The last good one is kept in the state
directory; without one the built-in list counts. The agent's own file may say more, and what it says wins.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from keyback.agent.catalogue import Kind
from keyback.agent.config import Passwords
from keyback.agent.events import Events
from keyback.agent.files import read_private, write_private
from keyback.agent.identity import Identity
from keyback.errors import ConfigurationError
from keyback.password_settings import breached_of, profile_of
from keyback.passwords import BannedWords, Finding, PersonNames, Profile, Rules, builtin, judge
from keyback.passwords.terms import TermsRefused, compile_with_builtin, parse_terms, read_terms
from keyback.protocol.encoding import b64decode
from keyback.protocol.errors import ProtocolError
from keyback.protocol.messages import BannedTerms, SignedTerms, parse
from keyback.protocol.signing import verify_banned_terms

__all__ = ["Mode", "Screen"]

Mode = Literal["off", "audit", "enforce"]
_LIST = "banned.json"
_COMPILED = "banned.compiled"


@dataclass(frozen=True, slots=True)
class _Active:
    mode: Mode
    rules: Rules
    version: int


class Screen:
    """Safe in threads; a new list takes the place of the old one between two passwords."""

    def __init__(self, settings: Passwords, *, identity: Identity, state_dir: Path, events: Events) -> None:
        """Raises ConfigurationError for what the agent's own file names and cannot be used."""
        self._settings = settings
        self._identity = identity
        self._state_dir = state_dir
        self._events = events
        self._lock = threading.Lock()
        self._own_terms = [] if settings.banned_file is None else read_terms(settings.banned_file)
        self._profile = profile_of(settings)
        self._breached = breached_of(settings)
        self._active = self._without_list() if settings.mode == "off" else self._kept()

    @property
    def profile(self) -> Profile:
        """The rules that count whatever the mode."""
        return self._profile

    @property
    def mode(self) -> Mode:
        return self._active.mode

    @property
    def version(self) -> int:
        """Of the organization's list; 0 for none."""
        return self._active.version

    def judge(
        self, password: str, names: PersonNames, current: str | None = None, *, breaches: bool = True
    ) -> list[Finding]:
        """The rules that it breaks; nothing else of it may travel. ``current``: the password until now, if it is known.

        Raises RangeUnavailable and BreachedDamaged, unless ``breaches`` are left out.
        """
        rules = self._active.rules
        if not breaches:
            rules = replace(rules, breached=None)
        return list(judge(password, names, rules, current=current).findings)

    def take(self, signed: SignedTerms) -> bool:
        """Keeps this list, if the people's door signed it and it is newer. Raises ProtocolError and TermsRefused; the
        one before then stays."""
        with self._lock:
            terms = self._verified(signed)
            if terms.version <= self._active.version:
                return False
            compiled = self._compile(terms)
            write_private(self._state_dir / _COMPILED, compiled)
            write_private(self._state_dir / _LIST, signed.model_dump_json().encode())
            self._active = self._with_list(terms, BannedWords.open(self._state_dir / _COMPILED))
        self._events.write(
            Kind.BANNED_LIST_TAKEN, version=terms.version, terms=len(parse_terms(terms.terms)), mode=self._active.mode
        )
        return True

    def _verified(self, signed: SignedTerms) -> BannedTerms:
        content = b64decode(signed.content)
        verify_banned_terms(self._identity.portal_key, content, b64decode(signed.signature))
        terms = parse(BannedTerms, content)
        if terms.organization_id != self._identity.organization_id:
            raise TermsRefused("another organization's list")
        return terms

    def _kept(self) -> _Active:
        """With the list that was kept, compiled anew where its compiled form is missing, damaged or older."""
        path = self._state_dir / _LIST
        if not path.exists():
            return self._without_list()
        try:
            terms = self._verified(parse(SignedTerms, read_private(path)))
            compiled = self._state_dir / _COMPILED
            try:
                banned = BannedWords.open(compiled)
            except TermsRefused:
                banned = None
            if banned is None or banned.title != self._title(terms):
                write_private(compiled, self._compile(terms))
                banned = BannedWords.open(compiled)
            return self._with_list(terms, banned)
        except (ConfigurationError, ProtocolError, OSError) as error:
            self._events.write(Kind.BANNED_LIST_DAMAGED, f"{Kind.BANNED_LIST_DAMAGED.value.meaning} {error}")
            return self._without_list()

    def _without_list(self) -> _Active:
        settings = self._settings
        extended = bool(settings.extended)
        banned = builtin()
        if settings.mode != "off" and (extended or self._own_terms):
            banned = BannedWords.from_bytes(compile_with_builtin(self._own_terms, title="", extended=extended))
        return self._as_mode(settings.mode or "enforce", banned, strict=bool(settings.strict), version=0)

    def _with_list(self, terms: BannedTerms, banned: BannedWords) -> _Active:
        settings = self._settings
        strict = terms.strict if settings.strict is None else settings.strict
        return self._as_mode(settings.mode or terms.mode, banned, strict=strict, version=terms.version)

    def _as_mode(self, mode: Mode, banned: BannedWords, *, strict: bool, version: int) -> _Active:
        if mode == "off":
            return _Active(mode, Rules(self._profile), version)
        names = (self._identity.organization,)
        return _Active(mode, Rules(self._profile, banned, strict, self._breached, names), version)

    def _compile(self, terms: BannedTerms) -> bytes:
        both = [*self._own_terms, *parse_terms(terms.terms)]
        return compile_with_builtin(both, title=self._title(terms), extended=self._extended(terms))

    def _extended(self, terms: BannedTerms) -> bool:
        return terms.extended if self._settings.extended is None else self._settings.extended

    def _title(self, terms: BannedTerms) -> str:
        """Changes with everything that the compiled form is made of."""
        own = (
            ""
            if self._settings.banned_file is None
            else hashlib.sha256("\n".join(self._own_terms).encode()).hexdigest()[:16]
        )
        return f"{terms.version} {self._extended(terms)} {builtin().title} {own}"
