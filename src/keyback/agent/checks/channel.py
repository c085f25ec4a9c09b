"""One connection to the portal, made by hand and step by step, so that each step's failure has a name of its own."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from keyback.agent.proxies import Proxy

__all__ = ["ProxyRefused", "agree_on_tls", "ask", "reach", "through_proxy", "watch_silence"]

TIMEOUT = 10.0


class ProxyRefused(OSError):
    """The proxy answered, and not with a connection."""


def reach(address: tuple[str, int]) -> socket.socket:
    """A TCP connection. Raises OSError."""
    return socket.create_connection(address, timeout=TIMEOUT)


def through_proxy(channel: socket.socket, proxy: Proxy, address: tuple[str, int]) -> None:
    """Asks the proxy for a tunnel (RFC 9110 section 9.3.6). Raises ProxyRefused and OSError."""
    host, port = address
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    channel.sendall("\r\n".join([*lines, "", ""]).encode())
    head = bytearray()
    while b"\r\n\r\n" not in head:
        part = channel.recv(1)  # byte by byte: what follows belongs to TLS
        if not part or len(head) > 65_536:
            raise ProxyRefused("the proxy hung up")
        head += part
    status = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if len(status) < 2 or status[1] != "200":
        said = " ".join(status[1:]) or "something that is not HTTP"
        raise ProxyRefused(f"the proxy answered {said[:100]}")


def agree_on_tls(channel: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Raises ssl.SSLError and OSError."""
    return context.wrap_socket(channel, server_hostname=host)


def ask(channel: socket.socket, url: str) -> tuple[int, str, bytes]:
    """GET on a connection that stays open: status, Date header, body. Raises OSError and http.client.HTTPException."""
    parts = urlsplit(url)
    channel.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: keyback-agent\r\n\r\n".encode())
    answer = http.client.HTTPResponse(channel)
    answer.begin()
    return answer.status, answer.headers.get("Date", ""), answer.read(65_536)


def watch_silence(channel: socket.socket, seconds: float, clock: Callable[[], float] = time.monotonic) -> float | None:
    """Says nothing for ``seconds``; how long it took until the other side hung up, None if it did not."""
    began = clock()
    channel.settimeout(0.2)
    while (left := seconds - (clock() - began)) > 0:
        if not select.select([channel], [], [], left)[0]:
            continue
        try:
            if channel.recv(1) == b"":
                return clock() - began
        except (ssl.SSLWantReadError, TimeoutError):
            continue  # TLS's own talk, nothing of the portal's
        except OSError:
            return clock() - began
    channel.settimeout(TIMEOUT)
    return None
