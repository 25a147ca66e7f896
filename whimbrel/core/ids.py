"""Message ids: 64 bits that grow with time, minted by many processes, never twice.

    1 bit 0 | 41 bits milliseconds since 2024-01-01 | 10 bits worker | 12 bits counter

The idea is Twitter's Snowflake (2010). What is ours: the worker number is leased with an upper
bound in milliseconds, so two holders of one number can never issue the same id, whatever their
clocks do and however long a process was stopped (rule 8); and nothing is issued below an id
that was seen from somebody else, so that a reply never sorts before its question (rule 7).
"""

from __future__ import annotations

EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
WORKER_BITS = 10
COUNTER_BITS = 12
MAX_WORKER = (1 << WORKER_BITS) - 1
_COUNTER_MASK = (1 << COUNTER_BITS) - 1
_TIME_SHIFT = WORKER_BITS + COUNTER_BITS


class LeaseExpiredError(Exception):
    """The right to mint has run out: renew the lease or acquire another."""


def compose(unix_ms: int, worker: int, counter: int) -> int:
    """The id of these parts; `unix_ms` is in milliseconds since the Unix epoch."""
    return ((unix_ms - EPOCH_MS) << _TIME_SHIFT) | (worker << COUNTER_BITS) | counter


def unix_ms_of(message_id: int) -> int:
    """When the id was minted, in milliseconds since the Unix epoch."""
    return (message_id >> _TIME_SHIFT) + EPOCH_MS


def worker_of(message_id: int) -> int:
    """The worker number that minted the id."""
    return (message_id >> COUNTER_BITS) & MAX_WORKER


class IdMinter:
    """Mints ids under one worker lease.

    Two clocks come in: `wall_ms` is what the ids carry, `now` (monotonic seconds) is what the
    lease is measured with, because it goes on while the process is stopped and never jumps.
    """

    def __init__(
        self, worker: int, *, not_before_ms: int, until_ms: int, expires_at: float, floor: int = 0
    ) -> None:
        if not 0 <= worker <= MAX_WORKER:
            raise ValueError(f"worker must be 0..{MAX_WORKER}, not {worker}")
        self.worker = worker
        self._until_ms = until_ms
        self._expires_at = expires_at
        self._last_ms = max(not_before_ms, EPOCH_MS)
        self._next_counter = 0
        self._floor = floor

    @property
    def last_issued_ms(self) -> int:
        """No id of this minter carries a later millisecond."""
        return self._last_ms

    @property
    def floor(self) -> int:
        """The highest id seen or issued."""
        return self._floor

    def renew(self, *, until_ms: int, expires_at: float) -> None:
        """The lease was extended; its bounds never go back."""
        self._until_ms = max(self._until_ms, until_ms)
        self._expires_at = max(self._expires_at, expires_at)

    def observe(self, message_id: int) -> None:
        """Somebody has seen this id: issue none below it."""
        self._floor = max(self._floor, message_id)

    def mint(self, *, wall_ms: int, now: float) -> int:
        """A new id, above every id issued or observed.

        A clock that steps back borrows from the millisecond that was reached; a full counter
        borrows from the next one. Raises LeaseExpiredError, and issues nothing, when the lease
        has run out on the monotonic clock or the id would pass the lease's upper bound.
        """
        if now >= self._expires_at:
            raise LeaseExpiredError("the worker lease has run out")
        ms, counter = self._last_ms, self._next_counter
        if wall_ms > ms:
            ms, counter = wall_ms, 0
        if counter > _COUNTER_MASK:
            ms, counter = ms + 1, 0
        message_id = compose(ms, self.worker, counter)
        if message_id <= self._floor:
            ms, counter = unix_ms_of(self._floor) + 1, 0
            message_id = compose(ms, self.worker, counter)
        if ms > self._until_ms:
            raise LeaseExpiredError("the next id would pass the bound of the worker lease")
        self._last_ms, self._next_counter, self._floor = ms, counter + 1, message_id
        return message_id
