"""A second socket on a port that somebody listens on, which takes the connects of those who are
kept out, and drops them: its queue is full, nobody accepts, and the kernel answers no SYN then.

A program decides who goes there (`sink_program`). It says indices into the port's sockets, and
one that does not exist would leave the choice among all of them to chance. So a program is there
before the sink is; the sink comes last, behind as many as listen there (several processes may
share a port); and it is believed only when it got a connect of our own.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from ctypes import addressof, create_string_buffer
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from whimbrel.runtime.connections import borrowed
from whimbrel.runtime.sink_program import Instruction, SinkProgram
from whimbrel.runtime.sock_diag import listeners_on

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
        another process keeps a sink there."""
        self._listener = listener
        self._inode = os.fstat(listener).st_ino
        with borrowed(listener) as other, ExitStack() as stack:
            self._family, self._name = other.family, other.getsockname()
            self._lock = stack.enter_context(_only_one(self._family, self._name))
            self._others = self._listening() or 1
            self.program = SinkProgram(self._others)
            self._attach(self.program.nobody())
            stack.callback(self._detach)
            self._socket = stack.enter_context(_bound_like(other))
            self._socket.listen(_BACKLOG)
            for _ in range(_BACKLOG + 1):
                self._fill()
            if not self.is_right:
                raise OSError("somebody else begins to listen on the port, or ends")
            stack.pop_all()  # from here on `close` closes

    @property
    def is_right(self) -> bool:
        """Whether it stands where it stood, behind those who listened when it came."""
        return self._is_beside_it and self._listening() in (None, self._others + 1)

    @property
    def _is_beside_it(self) -> bool:
        try:
            return os.fstat(self._listener).st_ino == self._inode
        except OSError:
            return False

    def _listening(self) -> int | None:
        host = socket.inet_pton(self._family, self._name[0].partition("%")[0])
        try:
            return listeners_on(self._family, host, self._name[1])
        except OSError:
            return None  # the kernel does not say; then it is only this process, as a rule

    def take(self, program: Sequence[Instruction]) -> None:
        """Whom from now on. Connections that are there are not touched."""
        self._attach(program)

    def close(self) -> None:
        """Nobody goes there any more. Harmless twice."""
        self._socket.close()  # first: what goes by a program to no socket goes to the others
        if self._is_beside_it:
            self._detach()
        self._lock.close()

    def _fill(self) -> None:
        """One connection of our own, which stays in the queue."""
        host = _reached_at(self._socket)
        family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
        with socket.socket(family) as own:
            own.settimeout(_PATIENCE_SECONDS)
            own.bind((str(host), 0))
            self._attach(self.program.source_port(own.getsockname()[1], host.version))
            own.connect((str(host), self._name[1]))
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


def _only_one(family: int, name: tuple[Any, ...]) -> socket.socket:
    """Held by whoever has a sink there; OSError when that is another process."""
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(f"\0whimbrel-sink/{family}/{name[0]}/{name[1]}")  # a name, not a file
    except OSError:
        held.close()
        raise
    return held


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
