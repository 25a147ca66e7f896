"""Hears of every TCP connection of this network namespace that ends: the only way to count those
that never became a call, because gRPC says nothing of them.

The kernel sends them to whoever listens (sock_diag(7), the group that `ss -E` uses); no privilege
is needed. Some 3 µs each. Where the kernel has no such thing, nothing is heard.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from whimbrel.core.client_address import Address
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.sock_diag import NETLINK_SOCK_DIAG, address_of

_log = get_logger(__name__)

_TCP_DESTROYED: Final = 1  # the group's bit: SKNLGRP_INET_TCP_DESTROY
_TCP_DESTROYED_IPV6: Final = 4
_AT_ONCE: Final = 256
"""Read before others have their turn."""

OnEnd = Callable[[Address, int], None]
"""Gets the peer's address and port."""


@contextmanager
def socket_ends(port: int, on_end: OnEnd) -> Iterator[bool]:
    """Calls `on_end` on the running loop for each connection to this local port that ends, while
    the context is open. Yields whether that is possible here."""
    try:
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    except (AttributeError, OSError) as error:
        _log.warning("socket_ends_not_heard", reason=str(error))
        yield False
        return
    with events:
        try:
            events.bind((0, _TCP_DESTROYED | _TCP_DESTROYED_IPV6))
        except OSError as error:
            _log.warning("socket_ends_not_heard", reason=str(error))
            yield False
            return
        events.setblocking(False)
        wanted = struct.pack("!H", port)
        loop = asyncio.get_running_loop()
        loop.add_reader(events.fileno(), _drain, events, wanted, on_end)
        try:
            yield True
        finally:
            loop.remove_reader(events.fileno())


def _drain(events: socket.socket, wanted: bytes, on_end: OnEnd) -> None:
    for _ in range(_AT_ONCE):
        try:
            event = events.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            continue  # more came than the buffer takes: some are lost, and nothing else
        # struct nlmsghdr (16 bytes), then struct inet_diag_msg: family, state, timer, retransmits,
        # the two ports, the two addresses.
        if event[20:22] == wanted:
            on_end(address_of(event[16], event[40:56]), int.from_bytes(event[22:24]))
