"""A name server on loopback that answers TXT questions over TCP."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Zone:
    """`records`: name → texts. `raw`: when set, every answer is these bytes instead. `asked`: names, in order."""

    port: int = 0
    records: dict[str, list[str]] = field(default_factory=dict)
    raw: bytes | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, question: bytes) -> bytes:
        labels, place = [], 12
        while length := question[place]:
            labels.append(question[place + 1 : place + 1 + length].decode())
            place += 1 + length
        name = ".".join(labels)
        self.asked.append(name)
        if self.raw is not None:
            return self.raw
        texts = self.records.get(name, [])
        code = 0 if texts else 3
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(texts), 0, 0)
        return head + question[12 : place + 5] + b"".join(map(_record, texts))


def _record(text: str) -> bytes:
    raw = text.encode()
    pieces = b"".join(bytes([len(raw[i : i + 255])]) + raw[i : i + 255] for i in range(0, len(raw), 255))
    return struct.pack(">HHHIH", 0xC00C, 16, 1, 300, len(pieces)) + pieces


@contextmanager
def zone() -> Iterator[Zone]:
    """Run one in a thread."""
    answers = Zone()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack(">H", self.rfile.read(2))
            answer = answers.answer(self.rfile.read(length))
            self.wfile.write(struct.pack(">H", len(answer)) + answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        answers.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield answers
        finally:
            server.shutdown()
            thread.join()
