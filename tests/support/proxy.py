"""A forward proxy on loopback: CONNECT and absolute-form requests, with Basic if wanted; it may alter or stall."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class ForwardProxy:
    """``login``: ``user:password`` that it asks for. ``alter``: applied to each answer's body by its path. ``seen``:
    what was asked for. ``stalled``: answers nothing any more, and keeps the connection."""

    url: str = ""
    login: str | None = None
    alter: Callable[[str, bytes], bytes] = lambda _, body: body
    seen: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def forward_proxy() -> Iterator[ForwardProxy]:
    proxy = ForwardProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            proxy.seen.append(self.path)
            if not self._welcome():
                return
            if proxy.stalled.is_set():
                proxy.over.wait()
                return
            target = urlsplit(self.path)
            onward = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=70)
            headers = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
            onward.request("POST", target.path, body, headers)
            answer = onward.getresponse()
            content = proxy.alter(target.path, answer.read())
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            onward.close()

        def do_CONNECT(self) -> None:
            proxy.seen.append(self.path)
            if not self._welcome():
                return
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as onward:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(onward, self.connection), daemon=True)
                back.start()
                _pump(self.connection, onward)
            self.close_connection = True

        def _welcome(self) -> bool:
            wanted = proxy.login and f"Basic {base64.b64encode(proxy.login.encode()).decode()}"
            if not wanted or self.headers.get("Proxy-Authorization") == wanted:
                return True
            self.send_response_only(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # agents that hang up are the point
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield proxy
        finally:
            proxy.over.set()
            server.shutdown()
            thread.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
    except OSError:
        pass
