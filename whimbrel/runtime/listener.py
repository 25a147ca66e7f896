"""The listening sockets of this process: who may connect at all, said to the kernel.

gRPC accepts in C, before any of our code runs, and a connect costs it a third of a millisecond.
So the connects of addresses that are kept out go to a socket of our own on the same port, whose
queue is full (`sink`): the kernel drops them, at no cost for us. That takes no capability. It
takes a port that is shared (`grpc.so_reuseport`) and Linux; elsewhere `is_guarded` turns false.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final, NamedTuple

from whimbrel.runtime.connections import borrowed, open_files
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.sink import Sink

_log = get_logger(__name__)

_TCP_DEFER_ACCEPT: Final = 9

MOST_IPV4: Final = 500
MOST_IPV6: Final = 150
"""Networks that one program holds: with more it would not fit optmem_max, which is 20 KiB on
older kernels."""


class _Found(NamedTuple):
    fd: int
    inode: int


class Listener:
    """The sockets that listen on one TCP port of this process. They stay whose they are: we hold
    no reference, so that closing them closes the port. But `close` this first: who connects
    while only a sink is left waits for an answer instead of being refused."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._sockets = _listening_on(port)
        self._sinks: list[Sink] = []
        self._ipv4: list[int] = []
        self._ipv6: list[int] = []
        self._is_closed = False
        self.is_guarded = bool(self._sockets)
        """Whether the kernel does as it is told here."""

    def defer_accept(self, seconds: int) -> None:
        """Accept a connection when its first bytes are there, or after so many seconds: one that
        says nothing costs us nothing."""
        for fd, inode in self._sockets:
            if _inode(fd) != inode:
                continue  # closed meanwhile, and the number may be another file's
            try:
                with borrowed(fd) as own:
                    own.setsockopt(socket.IPPROTO_TCP, _TCP_DEFER_ACCEPT, seconds)
            except OSError as error:
                _log.warning("accept_not_deferred", reason=str(error))

    def keep_out(self, networks: Iterable[str]) -> None:
        """Only these may not connect from now on ("192.0.2.7/32", "2001:db8::/64"); of too many
        the last ones count. Takes 1 ms when nobody was kept out before."""
        known = list(networks)
        ipv4 = [one for one in known if ":" not in one][-MOST_IPV4:]
        ipv6 = [one for one in known if ":" in one][-MOST_IPV6:]
        self._ipv4 = [int(ip_network(one).network_address) for one in ipv4]
        self._ipv6 = [int(ip_network(one).network_address) >> 64 for one in ipv6]
        self._apply()

    def tend(self) -> None:
        """Once in a while: processes that share the port come and go, and a sink with them."""
        if self._ipv4 or self._ipv6:
            self._apply()

    def close(self) -> None:
        """Keep nobody out any more, whatever is said. Harmless twice."""
        self._is_closed = True
        self._close_sinks()

    def _apply(self) -> None:
        if self._is_closed or not (self._ipv4 or self._ipv6):
            self._close_sinks()
            return
        try:
            if not self._sinks or not all(one.is_right for one in self._sinks):
                self._open_sinks()
            for sink in self._sinks:
                sink.take(sink.program.sources(self._ipv4, self._ipv6))
        except OSError as error:
            self._close_sinks()
            if self.is_guarded:
                _log.warning("listener_not_guarded", reason=str(error))
            self.is_guarded = False
        else:
            self.is_guarded = bool(self._sinks)

    def _open_sinks(self) -> None:
        self._close_sinks()
        names = set()
        for fd, inode in self._sockets:
            if _inode(fd) != inode:
                continue
            with borrowed(fd) as own:
                name = (own.family, own.getsockname())
            if name not in names:
                names.add(name)
                self._sinks.append(Sink(fd))

    def _close_sinks(self) -> None:
        while self._sinks:
            self._sinks.pop().close()


def _listening_on(port: int) -> list[_Found]:
    found = []
    for fd in open_files():
        try:
            with borrowed(fd) as one:
                if (
                    one.family in (socket.AF_INET, socket.AF_INET6)
                    and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                    and one.getsockname()[1] == port
                ):
                    found.append(_Found(fd, os.fstat(fd).st_ino))
        except OSError:
            continue  # no socket
    return found


def _inode(fd: int) -> int:
    try:
        return os.fstat(fd).st_ino
    except OSError:
        return 0
