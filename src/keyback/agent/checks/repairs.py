"""The lines that give the service account what it lacks: for Windows' dsacls, and for Samba's samba-tool."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from keyback.directory.descriptors import CONTROL_ACCESS, SELF, Ace
from keyback.directory.permissions import USER_CLASS, Right, subject_of

__all__ = ["Trustee", "grant_below", "grant_here", "inherit_again", "remove_denial"]


@dataclass(frozen=True, slots=True)
class Trustee:
    """The service account: ``name`` as DOMAIN\\account."""

    name: str
    sid: str


def grant_below(trustee: Trustee, base: str, right: Right) -> tuple[str, ...]:
    """On all people below ``base``."""
    subject = subject_of(right)
    return (
        f'dsacls "{_windows(base)}" /I:S /G "{trustee.name}:{_letters(right)};{subject.name};user"',
        _samba("set", base, f"(OA;CIIO;{_letters(right, samba=True)};{subject.guid};{USER_CLASS};{trustee.sid})"),
    )


def grant_here(trustee: Trustee, dn: str, right: Right) -> tuple[str, ...]:
    """On one object: a person that inherits nothing, or the domain."""
    subject = subject_of(right)
    return (
        f'dsacls "{_windows(dn)}" /G "{trustee.name}:{_letters(right)};{subject.name}"',
        _samba("set", dn, f"(OA;;{_letters(right, samba=True)};{subject.guid};;{trustee.sid})"),
    )


def inherit_again(dn: str) -> tuple[str, ...]:
    """Better than granting on one object, where nobody switched inheritance off on purpose."""
    return (f'dsacls "{_windows(dn)}" /P:N',)


def remove_denial(trustee: Trustee, dn: str, entry: Ace) -> tuple[str, ...]:
    """dsacls removes all entries of one trustee; so it is named only where these are the service account's own."""
    lines = (_samba("delete", dn, entry.sddl),)
    if entry.sid == trustee.sid:
        return (f'dsacls "{_windows(dn)}" /R "{trustee.name}"', *lines)
    if entry.sid == SELF:
        return lines
    return (f"On {dn}, remove the denial for {entry.sid} (Properties, Security, Advanced), or with:", *lines)


def _letters(right: Right, *, samba: bool = False) -> str:
    if subject_of(right).mask == CONTROL_ACCESS:
        return "CR" if samba else "CA"
    return "WP"


def _samba(verb: str, dn: str, sddl: str) -> str:
    return f"samba-tool dsacl {verb} --objectdn={shlex.quote(dn)} --sddl={shlex.quote(sddl)}"


def _windows(dn: str) -> str:
    """A quotation mark would end the argument; RFC 4514 lets it be written as a pair of digits."""
    return dn.replace('\\"', "\\22")
