"""What the heartbeat says, as it goes over the wire from a running agent: a closed set of figures, nobody's data."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from tests.support import portals
from tests.support.waiting import wait_until

import lab
from lab.stack import Stack, free_port

pytestmark = pytest.mark.lab

FIELDS = {
    *("version", "uptime_s", "paused", "forests", "forests_reachable"),
    *("requests_done", "requests_refused", "requests_unresolved", "last_sync_people", "last_sync_age_s"),
}


class Tap:
    """Passes bytes on between the agent and the portal, and keeps what the agent says."""

    def __init__(self, port: int, towards: int) -> None:
        self.said = bytearray()
        self._towards = towards
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        # Either side may reset the connection; the other learns of it by its end.
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._towards)) as portal:
            while True:
                for one in select.select([client, portal], [], [])[0]:
                    data = one.recv(65_536)
                    if not data:
                        return
                    if one is client:
                        self.said += data
                    (portal if one is client else client).sendall(data)

    def heartbeat(self) -> dict[str, object] | None:
        found = re.search(rb"POST /agents/v1/heartbeat HTTP/1.1\r\n.*?\r\n\r\n(\{.*?\})", bytes(self.said), re.DOTALL)
        return json.loads(found[1]) if found else None

    def close(self) -> None:
        self._listener.close()


@contextmanager
def tapped(folder: Path, forest: lab.Forest) -> Iterator[tuple[Stack, Tap]]:
    port = free_port()
    with portals.running(folder, forest) as stack, closing(Tap(port, int(stack.url.rsplit(":", 1)[1]))) as tap:
        agent = stack.onboard("tapped")
        agent.config.write_text(agent.config.read_text().replace(stack.url, f"http://127.0.0.1:{port}"))
        agent.start()
        yield stack, tap


def test_the_heartbeat_holds_figures_and_a_version_and_nothing_else(tmp_path: Path, forest: lab.Forest) -> None:
    with tapped(tmp_path, forest) as (_, tap):
        beat = wait_until(tap.heartbeat, timeout=40, what="a heartbeat")
    assert set(beat) == FIELDS
    assert re.fullmatch(r"[0-9][0-9a-z.+-]{0,30}", str(beat.pop("version")))
    assert all(value is None or isinstance(value, int) for value in beat.values())
