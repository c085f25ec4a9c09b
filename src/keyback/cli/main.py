"""``keyback``: one command for portal and agent. Each group stands in a file of its own and is loaded when it is
asked for, so that an agent's machine never loads Django and a portal never loads an LDAP library.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from keyback import __version__
from keyback.errors import KeybackError

__all__ = ["cli", "main"]

# name → module, attribute, and the line that `keyback --help` shows without loading it
_COMMANDS = {
    "init": ("keyback.cli.init", "init", "Make a portal's configuration, keys and database."),
    "migrate": ("keyback.cli.init", "migrate", "Bring the database up to date after an upgrade."),
    "serve": ("keyback.cli.serve", "serve", "Serve both doors on one port."),
    "serve-people": ("keyback.cli.serve", "serve_people", "Serve the people's door alone (PostgreSQL)."),
    "serve-agents": ("keyback.cli.serve", "serve_agents", "Serve the agents' door alone (PostgreSQL)."),
    "worker": ("keyback.cli.serve", "worker", "Send mail and sweep, without a door (PostgreSQL)."),
    "org": ("keyback.cli.org", "org", "Organizations and their settings."),
    "apps": ("keyback.cli.apps", "apps", "Links to applications on everybody's home page."),
    "openid": ("keyback.cli.openid", "openid", "Signing in through an OpenID Connect provider."),
    "domain": ("keyback.cli.domain", "domain", "Domains of user IDs."),
    "agent-code": ("keyback.cli.agents", "agent_code", "One-time codes with which agents join."),
    "agents": ("keyback.cli.agents", "agents", "The agents of an organization."),
    "writeback": ("keyback.cli.writeback", "writeback", "Switch resets of directory people on and off."),
    "removals": ("keyback.cli.removals", "removals", "People who have gone, and wait to be removed."),
    "person": ("keyback.cli.person", "person", "People."),
    "security-info": (
        "keyback.cli.security_info",
        "security_info",
        "What people prove themselves with: tokens, passes.",
    ),
    "policy": ("keyback.cli.policy", "policy", "Who may reset, and with which proofs."),
    "group": ("keyback.cli.group", "group", "The portal's own groups, and those of the directories."),
    "seats": ("keyback.cli.seats", "seats", "Who has a licence, where they are counted."),
    "limits": ("keyback.cli.limits", "limits", "How often something may be tried, and what is closed."),
    "admin": ("keyback.cli.admin", "admin", "Reset, unlock, expire or look at one account."),
    "audit": ("keyback.cli.audit", "audit", "What happened, and whether the record is whole."),
    "messages": ("keyback.cli.messages", "messages", "Mail on its way."),
    "keys": ("keyback.cli.keys", "keys", "The portal's keys."),
    "banned-words": ("keyback.cli.banned_words", "banned_words", "An organization's own banned words."),
    "password": ("keyback.cli.password", "password", "Try passwords against the rules, make them, compile lists."),
    "agent": ("keyback.cli.agent", "agent", "The on-premises agent (run on its own machine)."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 — a mistake in the table above
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.command(cls=_Lazy)
@click.version_option(__version__, message="keyback %(version)s")
def cli() -> None:
    """Keyback: people get back into their Active Directory account by themselves."""


def main(arguments: Sequence[str] | None = None) -> None:
    """What is wrong with the input or the set-up is told in one line, and the exit status is 2."""
    try:
        status = cli.main(arguments, prog_name="keyback", standalone_mode=False)
    except click.UsageError as error:
        hint = f" (see '{error.ctx.command_path} --help')" if error.ctx else ""
        _fail(error.format_message().rstrip(".") + hint, error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped", 130)
    except KeybackError as error:
        _fail(str(error), 2)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}", 2)
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _fail(text: str, status: int) -> None:
    click.echo(f"keyback: {' '.join(text.split())}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
