"""``make demo``: a forest, a portal and an agent on loopback, to try a reset with. Ctrl-C leaves nothing running.

Without root, or where a forest cannot be made, it says so in one line and runs with people whose password the portal
keeps.
"""

from __future__ import annotations

import email
import email.policy
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from lab.errors import LabError
from lab.people import INITIAL_PASSWORD, person
from lab.stack import Stack, free_port, wait_until

if TYPE_CHECKING:
    from lab.forest import Forest

FOREST = "demo"
CLOUD_PASSWORD = "Quiet-Lantern-58-Orchard"
SHOWN = {
    "ada": "an ordinary person",
    "grace": "another one",
    "sofia": "signs in with another suffix",
    "louis": "is locked out: a reset unlocks",
    "mary": "must change the password and cannot",
    "fibonacci": "has a stricter password policy",
    "dennis": "is disabled: refused",
    "adele": "is protected: refused",
    "noor": "has no mail address: refused",
}


class _Printer:
    """Shows each mail instead of delivering it."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        message = email.message_from_bytes(raw, policy=email.policy.default)
        body = message.get_body(preferencelist=("plain",))
        click.secho(f"\n✉  to {', '.join(envelope.rcpt_tos)}: {message['Subject']}", fg="cyan")
        for line in str(body.get_content() if body else "").strip().splitlines():
            click.echo(f"   {line}")
        return "250 OK"


@contextmanager
def _mail() -> Iterator[tuple[str, int]]:
    controller = Controller(_Printer(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.hostname, controller.port
    finally:
        controller.stop()


@contextmanager
def _forest() -> Iterator[Forest | None]:
    """The demo's own forest, or None with one line that says why there is none."""
    import lab

    click.echo("Bringing up a forest (the first time on a machine this takes about a minute) …")
    try:
        forest = lab.up(FOREST)
    except (LabError, OSError, ImportError) as problem:  # python-ldap may be what is missing
        click.secho(f"No forest here ({problem}); going on with people whose password the portal keeps.", fg="yellow")
        yield None
        return
    try:
        yield forest
    finally:
        lab.down(FOREST)


def _directory_people(stack: Stack, forest: Forest) -> list[tuple[str, str]]:
    agent = stack.onboard("agent1")
    agent.start()
    click.echo("The agent reads the directory …")
    first = person("ada").user_id(forest.dns_domain)
    wait_until(lambda: first in stack.keyback("person", "list", stack.slug), f"{first} to arrive (see {agent.log})")
    return [(person(name).user_id(forest.dns_domain), what) for name, what in SHOWN.items()]


def _cloud_people(stack: Stack) -> list[tuple[str, str]]:
    stack.add_domain("example.test")
    people = ["ada@example.test", "grace@example.test"]
    for user_id in people:
        mailbox = user_id.replace("@", "@private.")  # one that does not open with the forgotten password
        stack.keyback("person", "add", stack.slug, user_id, "--mail", mailbox, "--password-stdin", input=CLOUD_PASSWORD)
    return [(user_id, "password kept by the portal") for user_id in people]


@click.command()
@click.option("--port", default=8080, show_default=True, help="Where the portal listens on loopback.")
def main(port: int) -> None:
    """Try Keyback on this machine; nothing leaves it."""
    # Ctrl-C and a plain kill end it the same way, through every `finally`.
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: a shell starts what runs beside it deaf to it
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="keyback-demo-") as directory, _mail() as mail, _forest() as forest:
        stack = Stack(Path(directory), mail=mail, forests=[forest] if forest else [], port=port, work_cost=2000)
        try:
            click.echo("Starting the portal …")
            stack.create()
            stack.portal.start()
            people = _directory_people(stack, forest) if forest else _cloud_people(stack)
            _tell(stack, people, INITIAL_PASSWORD if forest else CLOUD_PASSWORD)
            signal.pause()
        except KeyboardInterrupt:
            click.echo("\nStopping …")
        except (RuntimeError, TimeoutError) as problem:
            click.secho(f"The demo could not start: {problem}", fg="red", err=True)
            sys.exit(1)
        finally:
            stack.stop()


def _tell(stack: Stack, people: list[tuple[str, str]], password: str) -> None:
    click.secho(f"\nOpen {stack.url}/ and type one of these user IDs:\n", bold=True)
    for user_id, what in people:
        click.echo(f"  {user_id:<40} {what}")
    click.echo(f"\nEverybody's password is now {password!r}. Mail is shown here as it is sent. Ctrl-C ends the demo.")


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
