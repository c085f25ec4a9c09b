"""What the heartbeat says, as it goes over the wire from a running agent: a closed set of figures, nobody's data."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.support import portals
from tests.support.tap import Tap
from tests.support.waiting import wait_until

import lab
from lab.stack import Stack

pytestmark = pytest.mark.lab

FIELDS = {
    *("version", "uptime_s", "paused", "forests", "forests_reachable"),
    *("requests_done", "requests_refused", "requests_unresolved", "last_sync_people", "last_sync_age_s"),
}


def heartbeat(tap: Tap) -> dict[str, object] | None:
    found = re.search(rb"POST /agents/v1/heartbeat HTTP/1.1\r\n.*?\r\n\r\n(\{.*?\})", bytes(tap.said), re.DOTALL)
    return json.loads(found[1]) if found else None


@contextmanager
def tapped(folder: Path, forest: lab.Forest) -> Iterator[tuple[Stack, Tap]]:
    listener = socket.create_server(("127.0.0.1", 0))
    with portals.running(folder, forest) as stack, closing(Tap(listener, int(stack.url.rsplit(":", 1)[1]))) as tap:
        agent = stack.onboard("tapped")
        agent.config.write_text(
            agent.config.read_text().replace(stack.url, f"http://127.0.0.1:{listener.getsockname()[1]}")
        )
        agent.start()
        yield stack, tap


def test_the_heartbeat_holds_figures_and_a_version_and_nothing_else(tmp_path: Path, forest: lab.Forest) -> None:
    with tapped(tmp_path, forest) as (_, tap):
        beat = wait_until(lambda: heartbeat(tap), timeout=40, what="a heartbeat")
    assert set(beat) == FIELDS
    assert re.fullmatch(r"[0-9][0-9a-z.+-]{0,30}", str(beat.pop("version")))
    assert all(value is None or isinstance(value, int) for value in beat.values())
