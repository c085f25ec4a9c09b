"""The agents' door, served by its real server in a thread, on the test's database."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.applications import Starlette

from keyback.relay.app import create_app
from keyback.relay.server import listening_socket, make_server
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class OpenDoor:
    url: str
    port: int
    app: Starlette


@contextmanager
def open_door() -> Iterator[OpenDoor]:
    """On a free loopback port, until the block ends. Needs `transactional_db`: the door has connections of its own."""
    app = create_app()
    listener = listening_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = make_server(app, before_stop=app.state.door.room.dismiss_all)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), name="door")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), what="the door's start")
        assert server.started
        yield OpenDoor(f"http://127.0.0.1:{port}", port, app)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the door did not close"


def waiting_polls(door: OpenDoor) -> int:
    return sum(len(seats) for seats in door.app.state.door.room._seats.values())
