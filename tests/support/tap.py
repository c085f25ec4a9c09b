"""Passes bytes on to a server on loopback, and keeps what its clients say; with TLS in front of it, where wanted."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import suppress

__all__ = ["Tap"]


class Tap:
    """``listener``: where clients come; closed with this. ``said``: everything that they have sent, one after another.
    ``towards``: the server's port. ``tls``: its certificate, if clients are to come by HTTPS."""

    def __init__(self, listener: socket.socket, towards: int, tls: ssl.SSLContext | None = None) -> None:
        self.said = bytearray()
        self._listener = listener
        self._towards = towards
        self._tls = tls
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:  # either side may reset the connection; the other learns of it by its end
            if self._tls is None:
                self._pass_on(client)
            else:
                with self._tls.wrap_socket(client, server_side=True) as encrypted:
                    self._pass_on(encrypted)

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._towards)) as portal:
            while True:
                for one in select.select([client, portal], [], [])[0]:
                    data = one.recv(65_536)  # more than a record of TLS holds: nothing is left that select() misses
                    if not data:
                        return
                    if one is client:
                        self.said += data
                    (portal if one is client else client).sendall(data)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would leave the thread in accept()
        self._listener.close()
