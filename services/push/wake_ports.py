"""What push needs to do its jobs, by role; where jobs come from is in `ports`.

Stores raise WhimbrelError UNAVAILABLE when they do not answer in time; every call can be repeated
as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome
from services.push.domain.quiet_hours import QuietHours
from services.push.domain.sifting import Marks, Placed
from services.push.domain.wakes import Wake, WakeKey


class Settlement(NamedTuple):
    """What becomes of a claimed wake."""

    wake: Wake
    """As it was claimed."""
    again: Wake | None = None
    """What waits in its place; None: it is done with."""
    due_ms: int = 0
    """When `again`, or a newer wake of the same key that came meanwhile, is due."""


class WakeQueue(Protocol):
    """The wakes that wait, for each provider apart, shared by all push pods. At least once: what
    was claimed and not settled can be claimed again when its lease is over. Times are ms since
    the Unix epoch."""

    async def schedule(self, provider: str, wakes: Sequence[tuple[Wake, int]]) -> int:
        """Add wakes with their moments; how many the provider has waiting then. A wake with a
        higher seq takes the place of one with the same key, and its moment, so that a busy
        conversation is not put off for ever, and its mention; one that is not higher changes
        nothing."""
        ...

    async def claim(self, provider: str, now_ms: int, lease_ms: int, limit: int) -> list[Wake]:
        """At most `limit` wakes that are due, the longest due first; nobody else gets them for
        the lease."""
        ...

    async def settle(self, provider: str, settlements: Sequence[Settlement]) -> None:
        """Claimed wakes are done with, or wait again. A newer wake of the same key that came
        meanwhile is kept."""
        ...

    async def length(self, provider: str) -> int:
        """How many wakes of a provider wait or are claimed."""
        ...


class WakeMemory(Protocol):
    """The wakes of the last minutes, shared by all push pods: doubles often end on two pods."""

    async def recent(self, keys: Sequence[WakeKey]) -> dict[WakeKey, int]:
        """The highest seq that was sent lately for those of the keys for which one was."""
        ...

    async def remember(self, wakes: Collection[Wake]) -> None:
        """These were sent now."""
        ...


class DeadLetter(NamedTuple):
    """A wake that came to nothing."""

    letter_id: str
    """Grows with time; empty before it is stored."""
    provider: str
    reason: str
    wake: Wake
    at_ms: int


class DeadLetters(Protocol):
    """The wakes that came to nothing, a bounded number, the oldest dropped first. Lost with
    Redis."""

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them."""
        ...

    async def newest(self, before: str, limit: int) -> list[DeadLetter]:
        """The newest below this id ("" for the newest of all), newest first."""
        ...

    async def find(self, letter_ids: Sequence[str]) -> list[DeadLetter]:
        """Those of the ids that are there. An id that is none raises INVALID_ARGUMENT."""
        ...

    async def remove(self, letter_ids: Sequence[str]) -> None:
        """Forget them."""
        ...

    async def length(self) -> int:
        """How many there are."""
        ...


class MarkStore(Protocol):
    """How far users have come, and what they have muted."""

    async def find(self, placed: Iterable[Placed]) -> Marks:
        """The marks that decide about these. Majority, from the primary."""
        ...


class PushDevice(NamedTuple):
    """A device and how it is woken."""

    user: str
    device: str
    platform: str
    provider: str
    token: str


class DeviceStore(Protocol):
    """The devices of users, as the gateway stores them."""

    async def of_users(self, users: Collection[str]) -> dict[str, list[PushDevice]]:
        """Those of each user that can be woken; who has none is absent."""
        ...

    async def find(self, devices: Collection[tuple[str, str]]) -> dict[tuple[str, str], PushDevice]:
        """Those of these (user, device) that can be woken."""
        ...

    async def forget_token(self, device: PushDevice) -> bool:
        """The token is dead: it is removed, unless the device has another one by now. Whether it
        was."""
        ...


class Unread(NamedTuple):
    """What a user has not read."""

    total: int
    by_conversation: Mapping[str, int]
    """Those with any."""


class UnreadCounts(Protocol):
    """Logic's counts."""

    async def find(self, users: Collection[str]) -> dict[str, Unread]:
        """Those of the users whose counts are complete; never a wrong one."""
        ...


class Wishes(Protocol):
    """What people said about themselves, and how they are called. May be some seconds old."""

    async def quiet_hours(self, users: Collection[str]) -> dict[str, QuietHours]:
        """Of those who have any."""
        ...

    async def names(self, users: Collection[str]) -> dict[str, str]:
        """What others see, of those who have an account."""
        ...


class WakeTraces(Protocol):
    """Who is told what became of wakes of traced messages; where nobody collects traces there is
    none."""

    def scheduled(self, traceparent: str, devices: int, since_ms: int) -> None:
        """A job that came in at `since_ms` (since the Unix epoch) has its wakes, for so many
        devices."""
        ...

    def sent(self, provider: str, wake: Wake, outcome: Outcome, began: float) -> None:
        """The provider was called at `began` (monotonic seconds) and has answered."""
        ...


class Provider(Protocol):
    """Takes notifications for devices: APNs, FCM, Web Push, a webhook, a console."""

    async def send(self, notification: Notification) -> Outcome:
        """Hand one over. What goes wrong is an outcome and never raised; the caller sets the
        deadline, and cancelling is safe. At least once: the same may be sent twice, with the
        same id. Tokens are never logged."""
        ...
