"""Which addresses are kept out, and until when. Pure: `now` is monotonic seconds of this pod.

A pod keeps what it decided itself and what it was told by others; the bound protects memory, and
the oldest ban goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from whimbrel.core.client_address import NOBODY
from whimbrel.core.token_bucket import Rate, TokenBuckets

_MOST: Final = 10_000


class Bans:
    """One per pod."""

    def __init__(self, connects_per_second: int, ban_seconds: float) -> None:
        """`connects_per_second` 0: nobody is banned by this pod."""
        self._seconds = ban_seconds
        rate = Rate(connects_per_second, 1.0)
        self._connects = TokenBuckets(rate) if connects_per_second else None
        self._until: dict[str, float] = {}
        self.decided = 0
        """Bans that this pod has decided since it started."""

    def __len__(self) -> int:
        return len(self._until)

    def connected(self, address: str, now: float) -> bool:
        """Somebody at this address has connected: whether that was once too often, so that it is
        banned from now on. A banned one that goes on stays banned."""
        if address == NOBODY or self._connects is None:
            return False
        if not self._connects.take(address, now):
            return False
        return self.ban(address, now)

    def ban(self, address: str, now: float) -> bool:
        """Keep it out from now on; whether it was not banned before."""
        is_new = self.remaining(address, now) == 0.0
        self.decided += is_new
        self._keep(address, now + self._seconds)
        return is_new

    def remaining(self, address: str, now: float) -> float:
        """Seconds for which this address is still banned, 0.0 when it is not."""
        until = self._until.get(address)
        return 0.0 if until is None else max(0.0, until - now)

    def learn(self, shared: Mapping[str, float], now: float) -> None:
        """Others have banned these, for so many more seconds."""
        for address, seconds in shared.items():
            if now + seconds > self._until.get(address, 0.0):
                self._keep(address, now + seconds)

    def active(self, now: float) -> dict[str, float]:
        """Every ban with the seconds that remain, the newest last. Forgets those that are over."""
        for address in [one for one, until in self._until.items() if until <= now]:
            del self._until[address]
        return {address: until - now for address, until in self._until.items()}

    def _keep(self, address: str, until: float) -> None:
        self._until.pop(address, None)
        self._until[address] = until
        while len(self._until) > _MOST:
            del self._until[next(iter(self._until))]
