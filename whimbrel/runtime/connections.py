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
from typing import Final

from whimbrel.core.client_address import Address

Peer = tuple[Address, int]
"""Address and port at the other end."""
IsUnwanted = Callable[[Address, int], bool]

BYTES_RECEIVED: Final = 128  # tcpi_bytes_received in struct tcp_info, since Linux 4.1
TCP_INFO_BYTES: Final = BYTES_RECEIVED + 8


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
    for one, (address, peer_port) in _connections(port):
        if is_unwanted(address, peer_port):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
                count += 1
    return count


def received_bytes(port: int) -> dict[Peer, int]:
    """What has come on each connection to this local port so far, in bytes. As costly."""
    received = {}
    for one, peer in _connections(port):
        with suppress(OSError):
            info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
            if len(info) == TCP_INFO_BYTES:
                received[peer] = int.from_bytes(info[BYTES_RECEIVED:], sys.byteorder)
    return received


def _connections(port: int) -> Iterator[tuple[socket.socket, Peer]]:
    """Each is only borrowed, until the next one is asked for."""
    for fd in open_files():
        with suppress(OSError), borrowed(fd) as one:
            if one.family not in (socket.AF_INET, socket.AF_INET6) or one.getsockname()[1] != port:
                continue
            host, peer_port = one.getpeername()[:2]
            address = ip_address(host.partition("%")[0])
            if isinstance(address, IPv6Address):
                address = address.ipv4_mapped or address
            yield one, (address, peer_port)
