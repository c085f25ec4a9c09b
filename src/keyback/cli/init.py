"""``keyback init`` and ``keyback migrate``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import click

from keyback.cli.portal import Refused, on_portal, start, use

__all__ = ["init", "migrate"]

_FILE = """\
# Keyback's portal. Every setting is explained in docs/operations.md; a wrong one stops the start with one line.

public_url = {public_url}
listen = {listen}
state_dir = {state_dir}
keys_dir = {keys_dir}
database = {database}

# How many reverse proxies of yours stand before the portal (each adds one address to X-Forwarded-For).
# trusted_proxies = 1

# Networks from which people are not strangers to the limits.
# office_networks = ["192.0.2.0/24"]

# tls_certificate = "/etc/keyback/tls.pem"
# tls_key = "/etc/keyback/tls.key"

[mail]
host = "127.0.0.1"
port = 25
security = "none"
sender = {sender}
"""


@click.command()
@click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where everything goes."
)
@click.option("--public-url", required=True, metavar="URL", help="Where people will reach the portal.")
@click.option(
    "--database",
    envvar="KEYBACK_DATABASE",
    metavar="URL",
    help="postgresql://user@host/name (its password in ~/.pgpass, or the whole URL in KEYBACK_DATABASE). "
    "Left out: an SQLite file of its own.",
)
def init(directory: Path, public_url: str, database: str | None) -> None:
    """Make a portal's configuration, keys and database in a directory of their own."""
    from keyback.portal import keyring

    if database and os.environ.get("KEYBACK_DATABASE") != database and _has_password(database):
        click.echo(
            "keyback: the password in --database stood on the command line: everybody on this machine could read it",
            err=True,
        )
    os.umask(0o077)
    directory = directory.absolute()
    config_file = directory / "portal.toml"
    if config_file.exists():
        raise Refused(f"{config_file} is there already; nothing was changed")
    state, keys = directory / "state", directory / "keys"
    text = _checked(
        directory,
        public_url=public_url.rstrip("/"),
        listen=_listen(public_url),
        state_dir=str(state),
        keys_dir=str(keys),
        database=database or f"sqlite:///{state / 'keyback.sqlite3'}",
        sender=f"keyback@{_mail_domain(public_url)}",
    )
    try:
        for made in (directory, state):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyring.create(keys)
        config_file.write_text(text, "utf-8")
    except OSError as error:
        raise Refused(f"{error.filename or directory}: {error.strerror}") from None
    use(config_file)
    start()
    _migrate(config_file)
    click.echo(f"Made {config_file}, keys in {keys} (back them up) and the database.")
    click.echo(f'Next: keyback org create "Example Ltd" --slug example --admin-mail YOU@… --config {config_file}')


@click.command()
@on_portal
def migrate() -> None:
    """Bring the database up to date after an upgrade, and make keys that are new in this version."""
    from django.conf import settings

    from keyback.portal import keyring

    _migrate(Path(os.environ["KEYBACK_CONFIG"]))
    keyring.create(settings.CONFIG.keys_dir)
    click.echo("The database is up to date.")


def _migrate(config_file: Path) -> None:
    from django.core.management import call_command
    from django.db import DatabaseError

    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise Refused(
            f"the database cannot be used ({type(error).__name__}): mend 'database' in {config_file}, "
            f"then run: keyback migrate --config {config_file}"
        ) from None


def _checked(directory: Path, **values: str) -> str:
    """The file's text, once the portal itself would accept it. Raises Refused."""
    from pydantic import ValidationError

    from keyback.portal.config import Config

    sender = values.pop("sender")
    try:
        Config.model_validate({**values, "mail": {"sender": sender}})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise Refused(f"--{name.replace('_', '-')}: {first['msg'].removeprefix('Value error, ')}") from None
    # A JSON string is a TOML basic string.
    return _FILE.format(**{name: json.dumps(value) for name, value in {**values, "sender": sender}.items()})


def _listen(public_url: str) -> str:
    """A portal on loopback listens where it is reached; any other stands behind a proxy, or gets its certificate
    first."""
    try:
        url = urlsplit(public_url)
        if url.scheme == "http" and url.hostname and url.port:
            return url.netloc.replace("localhost", "127.0.0.1")
    except ValueError as error:
        raise Refused(f"--public-url: {error}") from None
    return "127.0.0.1:8080"


def _has_password(database: str) -> bool:
    try:
        return bool(urlsplit(database).password)
    except ValueError:
        return False  # no URL at all, which is told next


def _mail_domain(public_url: str) -> str:
    host = urlsplit(public_url).hostname or ""
    return host if "." in host and not host.replace(".", "").isdigit() else "localhost.localdomain"
