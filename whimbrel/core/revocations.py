"""What was revoked, and whom it shuts out: a bounded table in memory, with expiry.

A revocation names an account, a device of it or a login. It counts until the last token that it
means has expired by itself; then it is forgotten. Pure: `now` comes in as seconds since the Unix
epoch.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_REVOCATIONS: Final = 500_000
"""Some 200 MB. Beyond it those that would be forgotten first are forgotten early, and counted."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Which tokens do not count any more. Times are seconds since the Unix epoch."""

    user_id: str
    at: float
    """Tokens that were issued up to then are meant."""
    until: float
    """When the last of them has expired."""
    device_id: str = ""
    """Only what this device does with them; empty: every device."""
    login_id: str = ""
    """Only those of this login, whenever they were issued; empty: of every login."""
    but_login_id: str = ""
    """All but those of this login; empty: no exception."""

    @property
    def key(self) -> str:
        """What is revoked: a later one of the same key takes the place of this one."""
        if self.login_id:
            return f"login:{self.login_id}"
        if self.device_id:
            return f"device:{self.user_id}/{self.device_id}"
        return f"account:{self.user_id}"


class Credential(NamedTuple):
    """What somebody came with."""

    user_id: str
    login_id: str
    """Empty for a token that came from no login."""
    issued_at: float
    """Seconds since the Unix epoch; 0 for a token that does not say."""


class RevocationTable:
    """The revocations that count now."""

    def __init__(self, max_revocations: int = MAX_REVOCATIONS) -> None:
        self._max = max_revocations
        self._by_key: dict[str, Revocation] = {}
        self._ends: list[tuple[float, str]] = []
        self.dropped = 0
        """How many were forgotten before their time."""

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, revocation: Revocation, now: float) -> bool:
        """Take one in; False when it says nothing new."""
        self._forget(now)
        known = self._by_key.get(revocation.key)
        if revocation.until <= now or (known is not None and known.at >= revocation.at):
            return False
        self._by_key[revocation.key] = revocation
        heapq.heappush(self._ends, (revocation.until, revocation.key))
        while len(self._by_key) > self._max:
            until, key = heapq.heappop(self._ends)
            if self._drop(until, key):
                self.dropped += 1
        return True

    def refuses(self, credential: Credential, device_id: str = "") -> bool:
        """Whether this device may not come, or stay, with it. Three look-ups."""
        user_id, login_id, issued_at = credential
        if login_id and f"login:{login_id}" in self._by_key:
            return True
        account = self._by_key.get(f"account:{user_id}")
        if account is not None and issued_at <= account.at:
            is_excepted = bool(login_id) and login_id == account.but_login_id
            if not is_excepted:
                return True
        device = self._by_key.get(f"device:{user_id}/{device_id}") if device_id else None
        return device is not None and issued_at <= device.at

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            self._drop(*heapq.heappop(self._ends))

    def _drop(self, until: float, key: str) -> bool:
        """Remove it, unless a later one has taken its place."""
        found = self._by_key.get(key)
        if found is None or found.until != until:
            return False
        del self._by_key[key]
        return True
