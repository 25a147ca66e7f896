"""The TCP connections of this process, whoever in it owns them, and how one is cut.

gRPC keeps its sockets to itself, but they are this process's files. A connection that is shut
down is cleaned up by gRPC as one that the peer has ended. Linux; elsewhere nothing is found.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address, ip_address

from whimbrel.core.client_address import Address

IsUnwanted = Callable[[Address, int], bool]
"""Gets the peer's address and port."""


@contextmanager
def borrowed(fd: int) -> Iterator[socket.socket]:
    """The socket with this number, which stays open. OSError when it is none."""
    copy = os.dup(fd)
    try:
        one = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with one:
        yield one


def open_files() -> list[int]:
    """The numbers of all files that this process has open."""
    return [int(name) for name in os.listdir("/proc/self/fd")] if sys.platform == "linux" else []


def cut_connections(port: int, is_unwanted: IsUnwanted) -> int:
    """Shut down those to this local port whose peer is unwanted; how many there were. Some 10 µs
    for each file that is open: for a thread."""
    count = 0
    for fd in open_files():
        with suppress(OSError), borrowed(fd) as one:
            if one.family not in (socket.AF_INET, socket.AF_INET6) or one.getsockname()[1] != port:
                continue
            host, peer_port = one.getpeername()[:2]
            address = ip_address(host.partition("%")[0])
            if isinstance(address, IPv6Address):
                address = address.ipv4_mapped or address
            if is_unwanted(address, peer_port):
                one.shutdown(socket.SHUT_RDWR)
                count += 1
    return count
