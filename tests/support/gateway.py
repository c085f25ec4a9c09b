"""A gateway to the telephone network that keeps what it is given."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Posted:
    headers: dict[str, str]
    body: str


class Gateway:
    """Answers `status` to every POST; holds it back while `stalled` is set."""

    def __init__(self) -> None:
        self.posts: list[Posted] = []
        self.paths: list[str] = []
        self.status = 202
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                gateway.paths.append(self.path)
                gateway.posts.append(Posted(dict(self.headers), body))
                if gateway.stalled.is_set():
                    gateway.go_on.wait(30)
                self.send_response(gateway.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/send"

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running() -> Iterator[Gateway]:
    """Run one in a thread."""
    gateway = Gateway()
    thread = threading.Thread(target=gateway.serve, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.close()
        thread.join()
