"""Ports of the embedded stack: fixed for its life, free now, and nobody else's of ours.

They come from below the ephemeral range, where no outgoing connection takes one by chance, so
that a pod that is restarted keeps its port. Between choosing a port and a pod's binding it,
another stack could choose the same one: an abstract unix socket named after the port is held as
the claim. The kernel drops it with the process, and keeps one space of them per network
namespace, which is exactly where the ports are.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

import psutil

from whimbrel.local.errors import StackError

LOWEST = 21_000
HIGHEST = 29_999


class Ports:
    """The ports that this process has claimed, until `close`."""

    def __init__(self) -> None:
        self._claims: dict[int, socket.socket] = {}

    def take(self, preferred: Iterable[int] = ()) -> int:
        """A free port: the first of `preferred` that is free, else one of the range by chance."""
        for port in (*preferred, *random.sample(range(LOWEST, HIGHEST + 1), 500)):
            if self._claim(port):
                return port
        raise StackError(f"no free port was found between {LOWEST} and {HIGHEST}")

    def take_exactly(self, port: int, what: str) -> int:
        """Port `port` and no other; raises StackError when it is taken."""
        if not self._claim(port):
            raise StackError(
                f"port {port} for {what} is in use by another program"
                f"{_owner(port)}; stop that program, or choose another port"
            )
        return port

    def release(self, port: int) -> None:
        """Give one back."""
        self._claims.pop(port).close()

    def close(self) -> None:
        """Give all of them back."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()

    def _claim(self, port: int) -> bool:
        if port in self._claims or not 0 < port < 65_536 or not is_free(port):
            return False
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0whimbrel-port-{port}")
        except OSError:
            claim.close()
            return False
        self._claims[port] = claim
        return True


def is_free(port: int) -> bool:
    """Whether a server could bind this port on the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it, connections of a server that has just ended would block it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid:
                return f" ({psutil.Process(connection.pid).name()}, pid {connection.pid})"
    except (OSError, psutil.Error):
        pass
    return ""
