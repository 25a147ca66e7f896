"""Hears of every TCP connection of this network namespace that ends: the only way to count those
that never became a call, because gRPC says nothing of them.

The kernel sends them to whoever listens (sock_diag(7), the group that `ss -E` uses); no privilege
is needed. Some 3 µs each. Where the kernel has no such thing, nothing is heard.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from whimbrel.core.client_address import Address
from whimbrel.runtime.connections import BYTES_RECEIVED, TCP_INFO_BYTES
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.sock_diag import NETLINK_SOCK_DIAG, address_of

_log = get_logger(__name__)

_TCP_DESTROYED: Final = 1  # the group's bit: SKNLGRP_INET_TCP_DESTROY
_TCP_DESTROYED_IPV6: Final = 4
_ATTRIBUTES: Final = 88  # behind struct nlmsghdr and struct inet_diag_msg
_INET_DIAG_INFO: Final = 2
_AT_ONCE: Final = 256
"""Read before others have their turn."""

OnEnd = Callable[[Address, int], None]
"""Gets the peer's address and port."""


@contextmanager
def socket_ends(port: int, on_end: OnEnd, most_bytes: float = math.inf) -> Iterator[bool]:
    """Calls `on_end` on the running loop for each connection to this local port that ends, while
    the context is open; only for those on which at most so many bytes came, if it is said. Yields
    whether that is possible here."""
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
        loop.add_reader(events.fileno(), _drain, events, wanted, on_end, most_bytes)
        try:
            yield True
        finally:
            loop.remove_reader(events.fileno())


def _drain(events: socket.socket, wanted: bytes, on_end: OnEnd, most_bytes: float) -> None:
    for _ in range(_AT_ONCE):
        try:
            event = events.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            continue  # more came than the buffer takes: some are lost, and nothing else
        # struct nlmsghdr (16 bytes), then struct inet_diag_msg: family, state, timer, retransmits,
        # the two ports, the two addresses.
        if event[20:22] == wanted and _received(event) <= most_bytes:
            on_end(address_of(event[16], event[40:56]), int.from_bytes(event[22:24]))


def _received(event: bytes) -> int:
    """Bytes that came on the connection, from the attribute that holds its struct tcp_info; 0
    where the kernel does not say."""
    at = _ATTRIBUTES
    while at + 4 <= len(event):
        length, kind = struct.unpack_from("=HH", event, at)
        if kind == _INET_DIAG_INFO and length >= 4 + TCP_INFO_BYTES:
            begin = at + 4 + BYTES_RECEIVED
            return int.from_bytes(event[begin : begin + 8], sys.byteorder)
        at += max(4, (length + 3) & ~3)
    return 0
