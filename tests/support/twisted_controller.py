"""A domain controller that answers writes as it is told to, and is a real one in everything else: what stands between
the agent and the lab's controller. For answers that Samba never gives."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab import Forest
from lab._authority import Authority

__all__ = ["Answer", "Twisted", "twisted"]

_MODIFY, _MODIFIED = 0x66, 0x67  # [APPLICATION 6] and 7 (RFC 4511 4.6)


@dataclass(frozen=True, slots=True)
class Answer:
    """An LDAP result code and the diagnostic message beside it."""

    result: int
    text: str


@dataclass
class Twisted:
    """``answer`` None: writes reach the real controller too."""

    url: str
    ca_file: Path
    answer: Answer | None = None


@contextmanager
def twisted(forest: Forest, folder: Path) -> Iterator[Twisted]:
    """In front of the forest's first controller, on a port of its own, with a certificate of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    authority = Authority.create(folder, "Twisted", now)
    authority.issue(folder, "localhost", "127.0.0.1", now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        controller = Twisted(f"ldaps://127.0.0.1:{listener.getsockname()[1]}", authority.certificate)
        threading.Thread(target=_accept, args=(listener, context, forest, controller), daemon=True).start()
        yield controller
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, context: ssl.SSLContext, forest: Forest, controller: Twisted) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=_serve, args=(plain, context, forest, controller), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, forest: Forest, controller: Twisted) -> None:
    trusting = ssl.create_default_context(cafile=str(forest.ca_file))
    with (
        suppress(OSError),
        context.wrap_socket(plain, server_side=True) as client,
        socket.create_connection((forest.controller().ip, 636)) as behind,
        trusting.wrap_socket(behind, server_hostname=forest.controller().ip) as real,
    ):
        threading.Thread(target=_back, args=(real, client), daemon=True).start()
        for message in _messages(client):
            number, operation = _head(message)
            if operation == _MODIFY and controller.answer is not None:
                client.sendall(_refusal(number, controller.answer))
            else:
                real.sendall(message)


def _back(real: socket.socket, client: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := real.recv(65_536):
            client.sendall(data)


def _messages(client: socket.socket) -> Iterator[bytes]:
    waiting = b""
    while data := client.recv(65_536):
        waiting += data
        while (length := _length(waiting)) is not None and len(waiting) >= length:
            yield waiting[:length]
            waiting = waiting[length:]


def _length(data: bytes) -> int | None:
    """Of the first BER element, head included; None as long as the head is not there."""
    if len(data) < 2:
        return None
    if data[1] < 0x80:
        return 2 + data[1]
    count = data[1] & 0x7F
    return None if len(data) < 2 + count else 2 + count + int.from_bytes(data[2 : 2 + count], "big")


def _head(message: bytes) -> tuple[bytes, int]:
    """The message's number as it is encoded, and the tag of its operation."""
    start = 2 if message[1] < 0x80 else 2 + (message[1] & 0x7F)
    end = start + 2 + message[start + 1]
    return message[start:end], message[end]


def _refusal(number: bytes, answer: Answer) -> bytes:
    text = answer.text.encode()
    result = b"\x0a\x01" + bytes([answer.result]) + b"\x04\x00" + b"\x04" + bytes([len(text)]) + text
    body = number + bytes([_MODIFIED, len(result)]) + result
    return b"\x30" + bytes([len(body)]) + body
