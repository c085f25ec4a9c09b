"""Ports on loopback."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nothing on `host` listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
