"""Finds connections that stay open and never have a stream: gRPC says nothing of them, and the
kernel tells of connections when they end, which may be 20 s later.

Looking costs some 2 µs a connection, in a thread; so it looks only while more connections begin
in this network namespace than are heard of, and never for more than a twentieth of the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

from whimbrel.runtime.connections import Peer
from whimbrel.runtime.sock_diag import Connection, connections_to, peer_of

_SNMP: Final = Path("/proc/net/snmp")
_REST: Final = 19
"""Times as long as a look took, until the next one."""


class BareConnections:
    """One per pod."""

    def __init__(self, port: int, connects_per_second: int, heard_of: Callable[[], int]) -> None:
        """`heard_of`: how many connects were counted so far, by a stream or by an end.
        `connects_per_second` 0: nobody is looked for."""
        self._port = port
        self._limit = connects_per_second
        self._heard_of = heard_of
        self._unheard = 0
        self._looked_at = 0.0
        self._next_at = 0.0
        self._waiting: set[Connection] = set()
        self._judged: set[Connection] = set()

    async def find(self, now: float) -> list[Peer]:
        """Those that were there at the last look and at this one, each once; among them are those
        of streams. `now` is monotonic seconds."""
        if not self._limit or now < self._next_at:
            return []
        unheard = _begun_connections() - self._heard_of()
        is_quiet = unheard - self._unheard <= self._limit * (now - self._looked_at) / 2
        self._unheard, self._looked_at = unheard, now
        if is_quiet and not self._waiting:
            self._judged = set()
            return []
        began = time.monotonic()
        try:
            there = await asyncio.to_thread(connections_to, self._port)
        except OSError:
            return []  # `socket_ends` has said that this kernel tells nothing
        self._next_at = now + _REST * (time.monotonic() - began)
        stays = self._waiting & there
        self._judged = (self._judged | stays) & there
        self._waiting = there - self._judged
        return [peer_of(one) for one in stays]


def _begun_connections() -> int:
    """All that were accepted in this network namespace; 0 where nobody says."""
    try:
        lines = [line.split() for line in _SNMP.read_text().splitlines()]
    except OSError:
        return 0
    for names, values in pairwise(lines):
        if names[0] == "Tcp:" and "PassiveOpens" in names:
            return int(values[names.index("PassiveOpens")])
    return 0
