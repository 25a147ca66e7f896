"""The listening sockets of this process: who may connect at all, said to the kernel.

gRPC accepts in C, before any of our code runs, and a connect costs it a third of a millisecond.
So the kernel drops the SYNs of addresses that are kept out: a classic BPF filter on the listening
socket (socket(7), SO_ATTACH_FILTER; recent kernels want CAP_NET_ADMIN, without which
`is_guarded` turns false). Connections that are there are not
touched: the filter looks at SYNs alone, although accepted sockets inherit it.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from ctypes import addressof, create_string_buffer
from ipaddress import IPv4Network, ip_network
from typing import Final, NamedTuple

from whimbrel.runtime.connections import borrowed, open_files
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_SO_ATTACH_FILTER: Final = 26
_SO_DETACH_FILTER: Final = 27
_TCP_DEFER_ACCEPT: Final = 9

MOST_IPV4: Final = 200
MOST_IPV6: Final = 40
"""Networks that one filter holds: with more it would not fit optmem_max, 20 KiB by default, and
then every connect would fail."""

_NETWORK_HEADER: Final = 0xFFF00000  # SKF_NET_OFF: offsets from here are into the IP header
_LOAD_WORD, _LOAD_BYTE = 0x20, 0x30
_AND, _JUMP, _JUMP_EQUAL, _RETURN = 0x54, 0x05, 0x15, 0x06
_DROP: Final = (_RETURN, 0, 0, 0)
_PASS: Final = (_RETURN, 0, 0, 0xFFFFFFFF)

Instruction = tuple[int, int, int, int]


class _Found(NamedTuple):
    fd: int
    inode: int


class Listener:
    """The sockets that listen on one TCP port of this process. They stay whose they are: we hold
    no reference, so that closing them closes the port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._sockets = _listening_on(port)
        self.is_guarded = bool(self._sockets)
        """Whether the kernel does as it is told here."""

    def defer_accept(self, seconds: int) -> None:
        """Accept a connection when its first bytes are there, or after so many seconds: one that
        says nothing costs us nothing."""
        self._each(socket.IPPROTO_TCP, _TCP_DEFER_ACCEPT, seconds)

    def keep_out(self, networks: Iterable[str]) -> None:
        """Only these may not connect from now on ("192.0.2.7/32", "2001:db8::/64"); of too many
        the last ones count."""
        known = [ip_network(one) for one in networks]
        ipv4 = [one for one in known if isinstance(one, IPv4Network)][-MOST_IPV4:]
        ipv6 = [one for one in known if not isinstance(one, IPv4Network)][-MOST_IPV6:]
        if not ipv4 and not ipv6:
            with suppress(FileNotFoundError):  # there was no filter
                self._each(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            return
        program = filter_of(
            [int(one.network_address) for one in ipv4],
            [int(one.network_address) >> 64 for one in ipv6],
        )
        code = create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
        option = struct.pack("@HL", len(program), addressof(code))
        self._each(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)

    def _each(self, level: int, option: int, value: int | bytes) -> None:
        for fd, inode in self._sockets:
            if _inode(fd) != inode:
                continue  # closed meanwhile, and the number may be another file's
            try:
                with borrowed(fd) as own:
                    own.setsockopt(level, option, value)
            except FileNotFoundError:
                raise
            except OSError as error:
                self.is_guarded = False
                _log.warning("listener_not_guarded", option=option, reason=str(error))


def filter_of(ipv4: Iterable[int], ipv6: Iterable[int]) -> list[Instruction]:
    """Classic BPF that drops SYNs from these sources: whole IPv4 addresses, upper halves of IPv6
    addresses. The packet begins with the TCP header."""
    only_ipv4 = [(_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12)]
    for address in ipv4:
        only_ipv4 += [(_JUMP_EQUAL, 0, 1, address), _DROP]
    only_ipv4.append(_PASS)
    only_ipv6: list[Instruction] = []
    for half in ipv6:
        only_ipv6 += [
            (_LOAD_WORD, 0, 0, _NETWORK_HEADER + 8),
            (_JUMP_EQUAL, 0, 3, half >> 32),
            (_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12),
            (_JUMP_EQUAL, 0, 1, half & 0xFFFFFFFF),
            _DROP,
        ]
    only_ipv6.append(_PASS)
    return [
        (_LOAD_BYTE, 0, 0, 13),  # TCP's flags: SYN without ACK?
        (_AND, 0, 0, 0x12),
        (_JUMP_EQUAL, 1, 0, 0x02),
        _PASS,
        (_LOAD_BYTE, 0, 0, _NETWORK_HEADER),  # the IP version
        (_AND, 0, 0, 0xF0),
        (_JUMP_EQUAL, 1, 0, 0x40),
        (_JUMP, 0, 0, len(only_ipv4)),
        *only_ipv4,
        *only_ipv6,
    ]


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
