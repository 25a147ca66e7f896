"""How many streams there are, by address and by user, and which have not said who they are. Pure.

A stream counts for its address from its first moment, for its user from a good token on.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import Generic, NamedTuple, TypeVar

from services.access.shell_settings import ShellSettings
from whimbrel.core.client_address import NOBODY

S = TypeVar("S")


class _Place(NamedTuple):
    address: str
    user_id: str


class StreamCounts(Generic[S]):
    """One per pod. A limit of 0 is none."""

    def __init__(self, settings: ShellSettings) -> None:
        self._settings = settings
        self._places: dict[S, _Place] = {}
        self._addresses: Counter[str] = Counter()
        self._users: Counter[str] = Counter()
        self._unnamed: OrderedDict[S, None] = OrderedDict()
        self._unnamed_at: dict[str, OrderedDict[S, None]] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def unnamed(self) -> int:
        """Streams whose token was not seen yet."""
        return len(self._unnamed)

    def has_room_for(self, address: str) -> bool:
        """Whether this address may have one more."""
        limit = self._settings.streams_per_address
        return address == NOBODY or not limit or self._addresses[address] < limit

    def enter(self, stream: S, address: str) -> S | None:
        """Count it; the stream that has to end for it, because too many are unnamed: the one that
        has waited longest, of the same address if it has too many itself."""
        self._places[stream] = _Place(address, "")
        self._unnamed[stream] = None
        if address != NOBODY:
            self._addresses[address] += 1
            mine = self._unnamed_at.setdefault(address, OrderedDict())
            mine[stream] = None
            limit = self._settings.unnamed_streams_per_address
            if limit and len(mine) > limit:
                return next(iter(mine))
        limit = self._settings.unnamed_streams
        return next(iter(self._unnamed)) if limit and len(self._unnamed) > limit else None

    def name(self, stream: S, user_id: str) -> bool:
        """Its token was good; False when the user has too many streams. A stream
        that never entered, or has left, counts for nobody."""
        place = self._places.get(stream)
        if place is None:
            return True
        limit = self._settings.streams_per_user
        if limit and self._users[user_id] >= limit:
            return False
        self.forget_unnamed(stream)
        self._places[stream] = _Place(place.address, user_id)
        self._users[user_id] += 1
        return True

    def unnamed_of(self, address: str) -> list[S]:
        """The streams of this address that have not said who they are."""
        return list(self._unnamed_at.get(address, ()))

    def named(self) -> list[S]:
        """The streams that have said who they are."""
        return [stream for stream, place in self._places.items() if place.user_id]

    def named_of(self, addresses: Collection[str]) -> list[S]:
        """The streams of these addresses that have said who they are. Looks at all."""
        return [
            stream
            for stream, place in self._places.items()
            if place.user_id and place.address in addresses
        ]

    def forget_unnamed(self, stream: S) -> None:
        """It is being ended, or has a name: it is not counted among the unnamed any more."""
        place = self._places[stream]
        self._unnamed.pop(stream, None)
        mine = self._unnamed_at.get(place.address)
        if mine is not None:
            mine.pop(stream, None)
            if not mine:
                del self._unnamed_at[place.address]

    def leave(self, stream: S) -> None:
        """It has ended. Harmless twice."""
        if stream not in self._places:
            return
        self.forget_unnamed(stream)
        place = self._places.pop(stream)
        _less(self._addresses, place.address)
        _less(self._users, place.user_id)


def _less(counts: Counter[str], key: str) -> None:
    if counts[key] > 1:
        counts[key] -= 1
    else:
        del counts[key]  # a Counter forgives a key that it does not have
