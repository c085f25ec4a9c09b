"""What the portal's commands share: which configuration, who runs them, how refusals are told, how rows are shown."""

from __future__ import annotations

import getpass
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from keyback.credentials import give_back
from keyback.errors import ConfigurationError

if TYPE_CHECKING:
    from keyback.portal.organizations.models import Organization
    from keyback.portal.people.models import Person

__all__ = [
    "Refused",
    "chosen_organization",
    "chosen_person",
    "initiator",
    "json_option",
    "new_password",
    "on_portal",
    "operator",
    "show",
    "start",
    "use",
]

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_CONFIG = Path("/etc/keyback/portal.toml")

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")


class Refused(click.ClickException):
    """The input names something that is not there, or asks for what cannot be. One line, exit status 2."""

    exit_code = 2


def on_portal(command: Callable[P, R]) -> Callable[..., R]:
    """A command that works on a portal's database: gives it ``--config`` and loads Django before it runs."""

    @click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="KEYBACK_CONFIG",
        default=DEFAULT_CONFIG,
        show_default=True,
        help="The portal's TOML file.",
    )
    @wraps(command)
    def run(*args: P.args, config_file: Path, **kwargs: P.kwargs) -> R:  # type: ignore[valid-type]
        use(config_file)
        start()
        from django.db import DatabaseError

        try:
            return command(*args, **kwargs)
        except DatabaseError as error:
            raise Refused(_database_problem(config_file, error)) from None

    return run


def use(config_file: Path) -> None:
    """This process works with this configuration."""
    os.environ["KEYBACK_CONFIG"] = str(config_file)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keyback.portal.settings")


def start() -> None:
    """Loads Django. Raises ConfigurationError."""
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise ConfigurationError(str(error)) from None
    config = settings.CONFIG
    for directory in (Path(os.environ["KEYBACK_CONFIG"]).resolve().parent, config.state_dir, config.keys_dir):
        give_back(directory)
    _quiet(settings.LOGGING)


def _quiet(logging_settings: Mapping[str, Any]) -> None:
    """The log of a command would stand between its lines: only warnings are shown."""
    import logging

    logging.getLogger().setLevel(logging.WARNING)


def _database_problem(config_file: Path, error: Exception) -> str:
    text = str(error)
    if "no such table" in text or "does not exist" in text or "no such column" in text:
        return f"{config_file}: the database is not up to date; run: keyback migrate"
    return f"{config_file}: the database cannot be used ({type(error).__name__})"


def operator() -> str:
    """Who runs this, for the audit."""
    return f"operator:{_login()}"


def initiator() -> str:
    """The same for a signed request, whose form wants a UUID: always the same one for one login on one machine's
    name."""
    return f"admin:{uuid.uuid5(uuid.NAMESPACE_URL, f'keyback:operator:{_login()}')}"


def _login() -> str:
    try:
        return getpass.getuser()[:40]
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())


def chosen_organization(slug: str) -> Organization:
    """By its short name. Raises Refused."""
    from keyback.portal.organizations.models import Organization

    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Organization.objects.order_by("slug").values_list("slug", flat=True)[:10])
        raise Refused(f"there is no organization {slug!r}" + (f"; there are: {known}" if known else ""))
    return found


def chosen_person(user_id: str) -> Person:
    """By any spelling, disabled people too. Raises Refused, also where the spelling names two people."""
    from django.db.models import Q

    from keyback.portal.organizations.lookup import normalise_user_id, resolve
    from keyback.portal.people.models import Person

    try:
        text = normalise_user_id(user_id)
        organization, _ = resolve(text)
    except ValueError as error:
        raise Refused(str(error)) from None
    # By user ID too: who is out of scope has no spellings any more.
    named = Q(spellings__text=text) | Q(user_id=text)
    found = list(Person.objects.filter(named, organization=organization).order_by("pk").distinct()[:2])
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"{user_id} names two people of {organization}; give another spelling")
    raise Refused(f"nobody of {organization} is called {user_id}")


def new_password(*, from_stdin: bool = False) -> str:
    """Asked for twice, or read from standard input; never an argument, which every user of the machine could read."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    if not password:
        raise Refused("the password is empty")
    return str(password)


def show(rows: Iterable[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """Rows as an aligned table with a heading, or as JSON lines with every field."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    table = [list(columns)] + [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value)
    return "".join(c if c.isprintable() else "?" for c in text)
