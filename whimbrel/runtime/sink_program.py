"""Classic BPF that says which of the sockets that share a port gets a SYN. Pure.

The kernel asks it for SYNs alone (socket(7), SO_ATTACH_REUSEPORT_CBPF), and takes what it returns
as an index among the port's listening sockets, in the order in which they began to listen. The
packet begins behind its TCP header; IP's header is read at negative offsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand: struct sock_filter."""

_NETWORK_HEADER: Final = 0xFFF00000  # SKF_NET_OFF
_RANDOM: Final = 0xFFFFF038  # SKF_AD_OFF + SKF_AD_RANDOM
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_LOAD_MEMORY, _STORE = 0x60, 0x02
_AND, _MODULO, _JUMP, _JUMP_EQUAL = 0x54, 0x94, 0x05, 0x15
_RETURN, _RETURN_RESULT = 0x06, 0x16
_AT_A_TIME: Final = 250
"""A conditional jump leaps over 255 instructions at most."""


class SinkProgram:
    """For a port with so many listening sockets, which were there before its sink."""

    def __init__(self, listeners: int) -> None:
        self._to_sink: Instruction = (_RETURN, 0, 0, listeners)
        self._to_listener: list[Instruction] = [(_RETURN, 0, 0, 0)]
        if listeners > 1:
            # By chance, and so by another chance for each repetition of a SYN that was lost.
            self._to_listener = [
                (_LOAD_WORD, 0, 0, _RANDOM),
                (_MODULO, 0, 0, listeners),
                (_RETURN_RESULT, 0, 0, 0),
            ]

    def nobody(self) -> list[Instruction]:
        """Nobody goes to the sink, whether there is one or not."""
        return self._to_listener

    def source_port(self, port: int, version: int) -> list[Instruction]:
        """Whoever connects from this port, by IP of this version and without options of IP."""
        offset = _NETWORK_HEADER + (20 if version == 4 else 40)
        return [
            (_LOAD_HALF, 0, 0, offset),
            (_JUMP_EQUAL, 0, 1, port),
            self._to_sink,
            *self._to_listener,
        ]

    def sources(self, ipv4: Sequence[int], ipv6: Iterable[int]) -> list[Instruction]:
        """Whoever connects from these: whole IPv4 addresses, upper halves of IPv6 addresses."""
        only_ipv4 = [*self._ipv4(ipv4), *self._to_listener]
        return [
            # The header tells the version: IPv4 comes to sockets of IPv6 too.
            (_LOAD_BYTE, 0, 0, _NETWORK_HEADER),
            (_AND, 0, 0, 0xF0),
            (_JUMP_EQUAL, 1, 0, 0x40),
            (_JUMP, 0, 0, len(only_ipv4)),
            *only_ipv4,
            *self._ipv6(ipv6),
            *self._to_listener,
        ]

    def _ipv4(self, addresses: Sequence[int]) -> list[Instruction]:
        program = [(_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12)]
        for start in range(0, len(addresses), _AT_A_TIME):
            some = addresses[start : start + _AT_A_TIME]
            # Each leaps to the return behind them all; whoever is none of them leaps over it.
            program += [(_JUMP_EQUAL, len(some) - n, 0, one) for n, one in enumerate(some)]
            program += [(_JUMP, 0, 0, 1), self._to_sink]
        return program

    def _ipv6(self, halves: Iterable[int]) -> list[Instruction]:
        # Kept in memory: to load from the header takes eight instructions of the kernel's own.
        program = [
            (_LOAD_WORD, 0, 0, _NETWORK_HEADER + 8),
            (_STORE, 0, 0, 0),
            (_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12),
            (_STORE, 0, 0, 1),
        ]
        for half in halves:
            program += [
                (_LOAD_MEMORY, 0, 0, 0),
                (_JUMP_EQUAL, 0, 3, half >> 32),
                (_LOAD_MEMORY, 0, 0, 1),
                (_JUMP_EQUAL, 0, 1, half & 0xFFFFFFFF),
                self._to_sink,
            ]
        return program
