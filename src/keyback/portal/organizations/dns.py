"""Reads TXT records (RFC 1035), to see whether whoever asks for a domain can write its zone.

Over TCP only (RFC 7766): answers of any length arrive whole, and nobody off the path can slip in one of their own.
Python's library has no such lookup, and this is all of DNS that the portal needs.
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from keyback.errors import KeybackError

__all__ = ["NameServer", "NoAnswer", "system_servers", "txt_records"]

_TXT = 16
_INTERNET = 1
_NO_SUCH_NAME = 3
_TIMEOUT = 5.0

NameServer = tuple[str, int]
"""Address and port."""


class NoAnswer(KeybackError):
    """No name server gave an answer that can be read."""

    code = "no_answer"


def system_servers(file: Path = Path("/etc/resolv.conf")) -> list[NameServer]:
    """This machine's name servers; empty where it names none."""
    try:
        lines = [line.split() for line in file.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []
    return [(words[1], 53) for words in lines if len(words) > 1 and words[0] == "nameserver"]


def txt_records(name: str, servers: Sequence[NameServer]) -> list[str]:
    """The texts of ``name``, an ASCII domain name; empty where there are none. Raises NoAnswer."""
    problem = "no name server is known"
    for server in servers:
        try:
            return _ask(name, server)
        except (OSError, ValueError, IndexError, struct.error) as error:
            problem = f"{server[0]}: {type(error).__name__}"
    raise NoAnswer(f"the records of {name} cannot be read ({problem})")


def _ask(name: str, server: NameServer) -> list[str]:
    number = secrets.randbelow(2**16)
    recurse = 0x0100
    question = (
        struct.pack(">HHHHHH", number, recurse, 1, 0, 0, 0) + _encoded(name) + struct.pack(">HH", _TXT, _INTERNET)
    )
    with socket.create_connection(server, timeout=_TIMEOUT) as connection:
        connection.sendall(struct.pack(">H", len(question)) + question)
        (length,) = struct.unpack(">H", _exactly(connection, 2))
        return list(_texts(_exactly(connection, length), number))


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".")) + b"\0"


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        chunk = connection.recv(length - len(data))
        if not chunk:
            raise ValueError("the answer ends early")
        data += chunk
    return data


def _texts(answer: bytes, number: int) -> Iterator[str]:
    got, flags, questions, answers, _, _ = struct.unpack(">HHHHHH", answer[:12])
    code = flags & 0x000F
    if got != number or not flags & 0x8000 or code not in (0, _NO_SUCH_NAME):
        raise ValueError(f"not an answer to this question (code {code})")
    place = 12
    for _ in range(questions):
        place = _after_name(answer, place) + 4
    for _ in range(answers):
        place = _after_name(answer, place)
        kind, group, _ttl, length = struct.unpack(">HHIH", answer[place : place + 10])
        place += 10
        # The name is not compared: a resolver that follows an alias answers with the alias's own records.
        if (kind, group) == (_TXT, _INTERNET):
            yield _joined(answer[place : place + length])
        place += length


def _after_name(answer: bytes, place: int) -> int:
    while length := answer[place]:
        if length >= 0xC0:  # the rest stands elsewhere
            return place + 2
        place += 1 + length
    return place + 1


def _joined(data: bytes) -> str:
    """A record is one text in pieces of up to 255 bytes."""
    text, place = b"", 0
    while place < len(data):
        text += data[place + 1 : place + 1 + data[place]]
        place += 1 + data[place]
    return text.decode("utf-8", "replace")
