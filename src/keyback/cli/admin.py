"""``keyback admin``: what an administrator does to one account. A password is asked for or made here, and sealed here
for each agent before it leaves this process; it is never an argument.
"""

from __future__ import annotations

import secrets
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from keyback.cli.outcomes import sentence, sentences_of
from keyback.cli.portal import Refused, chosen_person, initiator, new_password, on_portal, operator
from keyback.protocol.messages import Flags, Operation
from keyback.protocol.outcomes import OutcomeCode, sspr_code

if TYPE_CHECKING:
    from keyback.portal.people.models import Person
    from keyback.portal.writeback.models import WritebackRequest

__all__ = ["admin"]

_ASK_EVERY = 0.1
_SAY_AFTER = 5.0

# Nothing that looks like something else when it is read aloud or copied by hand.
_CAPITALS, _SMALL, _DIGITS = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789"


@click.group()
def admin() -> None:
    """Reset, unlock, expire or look at one account."""


@admin.command()
@click.argument("user_id")
@click.option("--generate", is_flag=True, help="Make a password and print it, instead of asking for one.")
@click.option("--must-change/--keep", default=True, show_default=True, help="To be changed at the next sign-in.")
@click.option("--unlock/--no-unlock", default=True, show_default=True, help="Unlock the account with it.")
@on_portal
def reset(*, user_id: str, generate: bool, must_change: bool, unlock: bool) -> None:
    """Set a new password for USER_ID."""
    person = _active(user_id)
    if person.source == "cloud":
        _reset_cloud(person, generate)
        return
    flags = Flags(unlock=unlock, must_change=must_change)
    seen = _inspected(person, flags)  # with the flags, so that a right that the reset will need is missed now
    # Whom the spelling named is the database's word; the administrator sees it before a password is typed.
    click.echo(f"Resetting {person.user_id} ({person.display_name or 'no name'}).", err=True)
    password = _generated() if generate else new_password()
    request = _begun(person, Operation.RESET, flags=flags, password=password, password_version=seen["password_version"])
    _tell(_ended(request), f"The password of {person.user_id} was reset.")
    if generate:
        click.echo(f"The new password is: {password}")


@admin.command()
@click.argument("user_id")
@on_portal
def unlock(*, user_id: str) -> None:
    """Let USER_ID sign in again after too many wrong passwords; the password stays."""
    person = _in_directory(user_id)
    _tell(_ended(_begun(person, Operation.UNLOCK)), f"The account {person.user_id} is unlocked.")


@admin.command()
@click.argument("user_id")
@on_portal
def expire(*, user_id: str) -> None:
    """Have USER_ID change the password at the next sign-in."""
    person = _in_directory(user_id)
    _tell(_ended(_begun(person, Operation.EXPIRE)), f"{person.user_id} must change the password at the next sign-in.")


@admin.command()
@click.argument("user_id")
@on_portal
def show(*, user_id: str) -> None:
    """What the directory says now about the account of USER_ID."""
    person = chosen_person(user_id)
    click.echo(f"{person.user_id} of {person.organization}: {person.display_name or 'no name'}")
    if person.source == "cloud":
        click.echo("The portal keeps this password.")
        return
    click.echo(f"In forest {person.forest}, objectGUID {person.object_guid}")
    if person.removed_at is not None:
        click.echo(f"Out of the agents' scope since {person.removed_at:%Y-%m-%d %H:%M} UTC.")
        return
    for name, value in _described(_inspected(person)):
        click.echo(f"{name:<26} {value}")


def _described(seen: dict[str, Any]) -> list[tuple[str, str]]:
    policy: dict[str, Any] = seen["policy"]
    return [
        ("locked out", _yes(seen["locked_out"])),
        ("must change at sign-in", _yes(seen["must_change"])),
        ("password expired", _yes(seen["password_expired"])),
        ("password expires", str(seen.get("password_expires_at") or "never, or at the next sign-in")),
        ("can be changed from", seen["possible_from"] or "now"),
        ("policy", str(policy.get("name") or "the domain's")),
        *((name.replace("_", " "), str(value)) for name, value in policy.items() if name != "name"),
    ]


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _active(user_id: str) -> Person:
    person = chosen_person(user_id)
    if person.removed_at is not None or not person.enabled:
        raise Refused(f"{person.user_id} is disabled, or no longer in the agents' scope")
    return person


def _in_directory(user_id: str) -> Person:
    person = _active(user_id)
    if person.source == "cloud":
        raise Refused(f"the portal keeps the password of {person.user_id}: there is nothing to unlock or expire")
    return person


def _reset_cloud(person: Person, generate: bool) -> None:
    from keyback.portal.people.cloud import findings, reset_by_admin

    password = _generated() if generate else new_password()
    if broken := findings(person, password):
        raise Refused(" ".join(finding.sentence for finding in broken))
    tracking_id = uuid.uuid4()
    reset_by_admin(person, password, by=operator(), now=datetime.now(UTC), tracking_id=tracking_id)
    click.echo(f"The password of {person.user_id} was reset. Tracking id {tracking_id}")
    if generate:
        click.echo(f"The new password is: {password}")


def _begun(person: Person, operation: Operation, **how: Any) -> WritebackRequest:
    from keyback.portal.people.administration import begin

    return begin(person, operation, initiator=initiator(), by=operator(), now=datetime.now(UTC), **how)


def _inspected(person: Person, flags: Flags | None = None) -> dict[str, Any]:
    """The agent looks first: what is wrong is told before anybody types a password."""
    request = _ended(_begun(person, Operation.INSPECT, flags=flags))
    if request.outcome_code != OutcomeCode.DONE:
        _tell(request, "")
    found: dict[str, Any] = (request.outcome or {})["inspection"]
    return found


def _ended(request: WritebackRequest) -> WritebackRequest:
    """Waits for the outcome. Whatever is submitted goes on when this is stopped; its tracking id is in audit and
    events."""
    from keyback.portal.writeback.models import UNFINISHED
    from keyback.portal.writeback.requests import sweep

    began = time.monotonic()
    told = False
    while request.state in UNFINISHED:
        time.sleep(_ASK_EVERY)
        if not told and time.monotonic() - began > _SAY_AFTER:
            told = True
            click.echo(f"Waiting for the agent … (tracking id {request.tracking_id})", err=True)
        now = datetime.now(UTC)
        if now > request.expires_at + timedelta(seconds=5):
            sweep(now)  # no portal runs, which would do so
        request.refresh_from_db()
    return request


def _tell(request: WritebackRequest, success: str) -> None:
    """Prints how it ended. Exit status 1 for anything but success."""
    if request.outcome_code == OutcomeCode.DONE:
        click.echo(f"{success} Tracking id {request.tracking_id}")
        return
    code = OutcomeCode(request.outcome_code) if request.outcome_code else None
    outcome: dict[str, Any] = request.outcome or {}
    lines = [sentence(code), *sentences_of(outcome.get("findings", []))]
    if detail := outcome.get("detail"):
        lines.append(f"({detail})")
    support = (sspr_code(code) if code else "SSPR_0030") or ""
    click.echo(" ".join(lines), err=True)
    click.echo(f"Outcome {code or 'expired'} {support}, tracking id {request.tracking_id}", err=True)
    sys.exit(1)


def _generated() -> str:
    """23 characters, about 110 bits, of every class that a policy may ask for."""
    letters = [secrets.choice(_CAPITALS), secrets.choice(_SMALL), secrets.choice(_DIGITS)]
    letters += [secrets.choice(_CAPITALS + _SMALL + _DIGITS) for _ in range(17)]
    secrets.SystemRandom().shuffle(letters)
    return "-".join("".join(letters[i : i + 5]) for i in range(0, 20, 5))
