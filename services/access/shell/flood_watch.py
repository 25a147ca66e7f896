"""Finds connections that send much and say nothing: floods of control frames, and of calls that
are reset before anybody sees them. gRPC answers those itself, so only the kernel's counters show
them.

Looking costs some 10 µs a connection, in a thread; so it looks when more comes into this network
namespace than streams have been read of, and never for more than a twentieth of the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from whimbrel.runtime.connections import Peer, received_bytes

_NETSTAT: Final = Path("/proc/net/netstat")
_LEAST_SECONDS: Final = 1.0
_REST: Final = 19
"""Times as long as a look took, until the next one."""


class FloodWatch:
    """One per pod."""

    def __init__(
        self, port: int, stray_bytes_per_second: int, read_bytes: Callable[[], Mapping[Peer, int]]
    ) -> None:
        """`read_bytes`: by connection, what its streams have been read of so far.
        `stray_bytes_per_second` 0: nobody is looked for."""
        self._port = port
        self._limit = stray_bytes_per_second
        self._read_bytes = read_bytes
        self._seen: dict[Peer, int] = {}
        self._incoming = 0
        self._looked_at = 0.0
        self._next_at = 0.0

    async def find(self, now: float) -> list[Peer]:
        """Those that have sent more than they may since the last look. `now` is monotonic
        seconds."""
        elapsed = now - self._looked_at
        if not self._limit or now < self._next_at:
            return []
        incoming = _incoming_bytes()
        is_quiet = incoming - self._incoming < self._limit * elapsed
        self._incoming, self._looked_at = incoming, now
        self._next_at = now + _LEAST_SECONDS
        if is_quiet:
            self._seen = {}
            return []
        began = time.monotonic()
        received = await asyncio.to_thread(received_bytes, self._port)
        self._next_at += _REST * (time.monotonic() - began)
        read = self._read_bytes()
        stray = {peer: count - read.get(peer, 0) for peer, count in received.items()}
        seen, self._seen = self._seen, stray
        return [
            peer
            for peer, count in stray.items()
            if peer in seen and count - seen[peer] > self._limit * elapsed
        ]


def _incoming_bytes() -> int:
    """Of all IP packets in this network namespace; 0 where nobody says."""
    try:
        lines = [line.split() for line in _NETSTAT.read_text().splitlines()]
    except OSError:
        return 0
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        if names[0] == "IpExt:" and "InOctets" in names:
            return int(values[names.index("InOctets")])
    return 0
