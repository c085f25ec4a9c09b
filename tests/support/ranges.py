"""A range service that lists what a test tells it to, over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from keyback.passwords.breached import Kind, digest_of

__all__ = ["Ranges", "ranges"]


class Ranges:
    """``asked``: path and headers of each question. ``manner``: how it answers; *drips* sends a byte now and then for
    as long as the test lasts, *stalls* nothing at all."""

    def __init__(self, listed: tuple[str, ...]) -> None:
        self.asked: list[tuple[str, Message]] = []
        self.manner: Literal["well", "fails", "stalls", "drips", "floods"] = "well"
        self._over = threading.Event()
        self._digits = [digest_of(password, Kind.SHA1).hex().upper() for password in listed]
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append((self.path, self.headers))
                service._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/range"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.manner == "stalls":
            self._over.wait(30)
            return
        handler.send_response(503 if self.manner == "fails" else 200)
        handler.end_headers()
        prefix = handler.path.rpartition("/")[2]
        lines = "".join(f"{digits[5:]}:7\r\n" for digits in self._digits if digits.startswith(prefix))
        try:
            handler.wfile.write(f"{'0' * 35}:3\r\n{lines}".encode())
            while self.manner in ("drips", "floods") and not self._over.wait(0.02 if self.manner == "drips" else 0):
                handler.wfile.write(b"0" if self.manner == "drips" else b"0" * 100_000)
        except OSError:
            pass  # the client has had enough

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def ranges(*listed: str) -> Iterator[Ranges]:
    service = Ranges(listed)
    try:
        yield service
    finally:
        service.close()
