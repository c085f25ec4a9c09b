"""A name server on loopback that answers SRV questions over UDP."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass
class Srv:
    """``records``: name → texts such as ``0 100 636 dc1.example.test.``. ``asked``: names, in order. ``silent``: it
    says nothing."""

    address: str = ""
    records: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    silent: bool = False

    def answer(self, wire: bytes) -> bytes | None:
        question = dns.message.from_wire(wire)
        name = question.question[0].name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        if self.silent:
            return None
        said = dns.message.make_response(question)
        said.flags |= dns.flags.AA
        if found := self.records.get(name):
            said.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", "SRV", *found))
        else:
            said.set_rcode(dns.rcode.NXDOMAIN)
        return said.to_wire()


@contextmanager
def srv() -> Iterator[Srv]:
    zone = Srv()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, connection = self.request
            if (said := zone.answer(data)) is not None:
                connection.sendto(said, self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        zone.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield zone
        finally:
            server.shutdown()
            thread.join()
