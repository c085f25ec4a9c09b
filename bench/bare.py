"""The people's server with nothing behind it, as the measure of what it costs by itself: ``python -m bench.bare``,
with a configuration as ``serve-people`` has it. Its answer is as large as the first page."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

__all__: list[str] = []


@click.command()
@click.option("--config", type=click.Path(path_type=Path), required=True)
@click.option("--processes", type=int, required=True)
@click.option("--size", type=int, required=True)
def main(config: Path, processes: int, size: int) -> None:
    from keyback.cli.portal import use

    use(config)
    import django

    django.setup()
    from keyback.portal.config import read
    from keyback.relay.bridge import WsgiBridge
    from keyback.relay.processes import keep_running
    from keyback.relay.server import listening_socket, make_server

    body = b"x" * size

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(size))])
        return [body]

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    host, _, port = read().listen.rpartition(":")
    listener = listening_socket(host, int(port))
    server = make_server(WsgiBridge(application, max_body=0), before_stop=lambda: None)
    keep_running(processes, lambda: asyncio.run(server.serve(sockets=[listener])))


if __name__ == "__main__":
    main()
