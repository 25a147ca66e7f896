"""A second socket on a port that somebody listens on, which takes the connects of those who are
kept out, and drops them: its queue is full, nobody accepts, and the kernel answers no SYN then.

A program decides who goes there (`sink_program`). It says indices into the port's sockets, and
one that does not exist would leave the choice among all of them to chance. So a program is there
before the sink is, and the sink is believed only when it got a connect of our own.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from ctypes import addressof, create_string_buffer
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from whimbrel.runtime.connections import borrowed
from whimbrel.runtime.sink_program import Instruction, nobody, source_port

_ATTACH: Final = 51  # SO_ATTACH_REUSEPORT_CBPF
_DETACH: Final = 68  # SO_DETACH_REUSEPORT_BPF
_BACKLOG: Final = 1
"""Two connections fill it. With 0 the kernel would take each SYN for a flood, and say so."""
_PATIENCE_SECONDS: Final = 0.05
"""For a connect to ourselves, which takes 50 µs."""


class Sink:
    """Beside one listening socket of this process, which shares its port (SO_REUSEPORT) and is
    only borrowed: closing it closes the port, if the sink is closed too."""

    def __init__(self, listener: int) -> None:
        """`listener` is a file number. Raises OSError where the kernel has no such thing, or
        somebody else listens on that port too."""
        self._listener = listener
        self._inode = os.fstat(listener).st_ino
        self._attach(nobody())
        try:
            with borrowed(listener) as other:
                self._socket = _bound_like(other)
            try:
                self._socket.listen(_BACKLOG)
                for _ in range(_BACKLOG + 1):
                    self._fill()
            except OSError:
                self._socket.close()
                raise
        except OSError:
            self._detach()
            raise

    @property
    def is_of_use(self) -> bool:
        """Whether the socket that it stands beside is still there."""
        try:
            return os.fstat(self._listener).st_ino == self._inode
        except OSError:
            return False

    def take(self, program: Sequence[Instruction]) -> None:
        """Whom from now on. Connections that are there are not touched."""
        self._attach(program)

    def close(self) -> None:
        """Nobody goes there any more. Harmless twice."""
        self._socket.close()  # first: what goes by a program to no socket goes to the listener
        if self.is_of_use:
            self._detach()

    def _fill(self) -> None:
        """One connection of our own, which stays in the queue."""
        host = _reached_at(self._socket)
        family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
        name = self._socket.getsockname()
        with socket.socket(family) as own:
            own.settimeout(_PATIENCE_SECONDS)
            own.bind((str(host), 0))
            self._attach(source_port(own.getsockname()[1], host.version))
            own.connect((str(host), name[1]))
        arrived = select.poll()
        arrived.register(self._socket, select.POLLIN)
        if not arrived.poll(_PATIENCE_SECONDS * 1000):
            raise OSError("a connect that was meant for the sink went elsewhere")

    def _attach(self, program: Sequence[Instruction]) -> None:
        code = create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
        option = struct.pack("@HL", len(program), addressof(code))
        with borrowed(self._listener) as listener:
            listener.setsockopt(socket.SOL_SOCKET, _ATTACH, option)

    def _detach(self) -> None:
        with suppress(OSError), borrowed(self._listener) as listener:
            listener.setsockopt(socket.SOL_SOCKET, _DETACH, 0)


def _bound_like(other: socket.socket) -> socket.socket:
    own = socket.socket(other.family)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if other.family == socket.AF_INET6:
            only = other.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        own.bind(other.getsockname())
    except OSError:
        own.close()
        raise
    return own


def _reached_at(one: socket.socket) -> IPv4Address | IPv6Address:
    """An address at which this machine reaches it."""
    host = ip_address(one.getsockname()[0].partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        return host.ipv4_mapped
    if not host.is_unspecified:
        return host
    if one.family == socket.AF_INET6 and one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return IPv6Address("::1")
    return IPv4Address("127.0.0.1")
