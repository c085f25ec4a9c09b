"""`keyback serve`, and its parts for running each alone: `serve-people`, `serve-agents`, `worker`."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from keyback.cli.portal import DEFAULT_CONFIG, use
from keyback.errors import ConfigurationError
from keyback.loopback import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from keyback.portal.config import Config
    from keyback.relay.bridge import WsgiBridge

__all__ = ["serve", "serve_agents", "serve_people", "worker"]

_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="KEYBACK_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The portal's TOML file.",
)
_log = logging.getLogger("keyback.serve")


@click.command()
@_config
def serve(path: Path) -> None:
    """Serve both doors on one port, send mail, and do what time asks for."""
    config = _prepared(path)
    from keyback.portal import background
    from keyback.relay.app import create_app
    from keyback.relay.doors import BothDoors

    agents, people = create_app(), _people()
    _serve(config, BothDoors(agents, people), agents.state.door.room.dismiss_all, background.running)


@click.command("serve-people")
@_config
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes share the port: one for each core that people's pages may have.",
)
def serve_people(path: Path, processes: int) -> None:
    """Serve the people's door only (many of these may run, on PostgreSQL)."""
    config = _prepared(path, alone=True)
    _serve(config, _people(), lambda: None, nullcontext, processes)


@click.command("serve-agents")
@_config
def serve_agents(path: Path) -> None:
    """Serve the agents' door only (many of these may run, on PostgreSQL)."""
    config = _prepared(path, alone=True)
    from keyback.relay.app import create_app

    # A push of people is thousands of objects, none of them in a cycle: the usual threshold of 700 costs a twentieth.
    gc.set_threshold(20_000)
    agents = create_app()
    _serve(config, agents, agents.state.door.room.dismiss_all, nullcontext)


@click.command()
@_config
def worker(path: Path) -> None:
    """Send mail and do what time asks for, without a door (many of these may run, on PostgreSQL)."""
    _prepared(path, alone=True, listens=False)
    from keyback.portal import background

    _end_by_signal()
    with background.running():
        _log.info("working")
        threading.Event().wait()


def _prepared(path: Path, *, alone: bool = False, listens: bool = True) -> Config:
    """The configuration, with Django set up on a database that is up to date. Raises ConfigurationError.

    ``alone``: this process shares its work with others, which SQLite is not for: their wake-ups stay in one process.
    """
    use(path)
    from keyback.portal import config as configuration

    config = configuration.read()
    if alone and config.database.startswith("sqlite:"):
        raise ConfigurationError(f"{path}: with SQLite one process does everything: run 'keyback serve'")
    if listens:
        _address(config)  # a wrong one is told before Django takes its time
    import django

    django.setup()
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        raise ConfigurationError(f"{path}: the database cannot be opened; is 'database' right?") from None
    finally:
        connection.close()
    if missing:
        raise ConfigurationError(f"{path}: the database is not up to date: run 'keyback migrate'")
    # All pages are loaded now: half a second that the first page would take, or the first outcome, whose mail has a
    # link to one.
    import_module("keyback.portal.urls")
    return config


def _people() -> WsgiBridge:
    from django.conf import settings

    _ = settings.KEYRING.django  # a missing key is told now, and not to the first person
    from keyback.portal.people import cloud
    from keyback.portal.wsgi import application
    from keyback.relay.bridge import WsgiBridge

    cloud.check_settings()  # and so is a file that cannot be used
    return WsgiBridge(application, max_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def _address(config: Config) -> tuple[str, int]:
    """Where to listen. Raises ConfigurationError, also for plain http that would leave this machine."""
    host, _, port = config.listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f'listen: "{config.listen}" is not an address and a port, like 127.0.0.1:8080')
    encrypted = config.tls_certificate is not None
    if encrypted != (config.tls_key is not None):
        raise ConfigurationError("tls_certificate and tls_key go together: set both or none")
    if encrypted and not config.secure:
        raise ConfigurationError("public_url: must begin with https://, since tls_certificate is set")
    if not encrypted and not is_loopback(host):
        raise ConfigurationError(
            f'listen: plain http is for loopback only, and "{config.listen}" is not: set tls_certificate and tls_key, '
            "or listen on 127.0.0.1 behind a proxy that ends TLS"
        )
    return host, int(port)


def _serve(
    config: Config,
    app: ASGIApp,
    before_stop: Callable[[], None],
    duties: Callable[[], AbstractContextManager[None]],
    processes: int = 1,
) -> None:
    from keyback.relay.processes import keep_running
    from keyback.relay.server import listening_socket, make_server

    host, port = _address(config)
    server = make_server(app, before_stop=before_stop, certificate=config.tls_certificate, key=config.tls_key)
    try:
        server.config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls_certificate, tls_key: {error.strerror or error}") from None
    try:
        listener = listening_socket(host, port)
    except OSError as error:
        raise ConfigurationError(f"listen: {config.listen}: {error.strerror}") from None
    _raise_file_limit()
    _end_by_signal()
    _spare_what_is_loaded()
    with listener, duties():
        _log.info("serving %s on %s", config.public_url, config.listen)
        if processes == 1:
            asyncio.run(server.serve(sockets=[listener]))
        else:
            keep_running(processes, lambda: asyncio.run(server.serve(sockets=[listener])))


def _spare_what_is_loaded() -> None:
    # The collector need not go through what is loaded for good, nor write to it, and so copy it, in every process.
    gc.collect()
    gc.freeze()


def _raise_file_limit() -> None:
    # Every waiting poll is an open file, and the usual soft limit is 1024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_by_signal() -> None:
    """SIGTERM and Ctrl-C end the process in order, with status 0. uvicorn takes them over while it serves, stops, and
    raises them again when it has stopped."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
