"""The leases of a local stack: who leads, as Kubernetes' Lease objects would say. Pure: `now` is
monotonic seconds, `wall_ms` milliseconds since the Unix epoch.
"""

from __future__ import annotations

from typing import NamedTuple


class Lease(NamedTuple):
    """Who holds it, until when, under which term."""

    holder: str
    term: int
    until: float


class Leases:
    """By name. In memory: terms rise with time, so a supervisor that forgot them lowers none."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    @property
    def names(self) -> frozenset[str]:
        """Those that somebody has asked for so far."""
        return frozenset(self._leases)

    def hold(
        self, name: str, holder: str, seconds: float, min_term: int, now: float, wall_ms: int
    ) -> Lease:
        """Take it if it is free, renew it if it is the holder's, give it back with 0 seconds; how
        it stands then."""
        lease = self._leases.get(name) or Lease("", 0, 0.0)
        is_free = not lease.holder or now >= lease.until
        if seconds <= 0:
            if lease.holder == holder:
                lease = lease._replace(holder="", until=now)
        elif lease.holder == holder and not is_free:
            lease = lease._replace(until=now + seconds)
        elif is_free:
            lease = Lease(holder, max(lease.term + 1, min_term + 1, wall_ms), now + seconds)
        self._leases[name] = lease
        return lease
