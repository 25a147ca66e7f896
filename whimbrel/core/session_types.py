"""The words of a server session: its modes, its figures, what it asks for and refuses."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from whimbrel.core.window import WindowStatistics


class Mode(enum.Enum):
    """Where the entries come from at this moment."""

    ATTACHING = "attaching"
    """Where the device stands is not known yet; pushes are held."""
    CATCHING_UP = "catching_up"
    """The backlog is pulled page by page; pushes are held as far as there is room."""
    LIVE = "live"
    """Pushes are the source; a hole is fetched."""
    LAGGING = "lagging"
    """The reader is a full window behind: pushes are forgotten except for the highest seq, the
    timeline is pulled at the reader's pace, a page ahead of it, until it is pulled up to that
    seq (rule 17)."""


@dataclass(frozen=True)
class SessionLimits:
    """The figures of a session; the defaults are those of the design."""

    window_messages: int = 256
    window_bytes: int = 256 * 1024
    ack_timeout_seconds: float = 10.0
    hole_first_seconds: float = 0.05
    hole_retry_seconds: float = 0.25
    news_seconds: float = 0.5
    """What was committed a moment ago is pushed a moment later: a look at the heads that falls in
    between brings news of what is on its way."""


class Pull(NamedTuple):
    """A fetch to send: entries from `from_seq` on, at most `limit`.

    `hole_age_ms` is 0 unless `from_seq` is known to be missing below an entry that exists.
    """

    from_seq: int
    limit: int
    hole_age_ms: int


class SeqAheadError(Exception):
    """The reader asked for a seq that its timeline does not have."""

    def __init__(self, from_seq: int, head: int) -> None:
        super().__init__(f"asked for {from_seq}, the timeline ends at {head}")


@dataclass(frozen=True)
class SessionStatistics:
    """What a session holds at this moment."""

    mode: Mode
    head: int
    next_seq: int
    ready: int
    held: int
    waiting_bytes: int
    window: WindowStatistics


@dataclass(slots=True)
class Traffic:
    """What a session has carried since it began; only grows."""

    delivered: int = 0
    """Entries that were given to be written, redeliveries too."""
    delivered_bytes: int = 0
    """Their sizes, as the window counts them."""
    redelivered: int = 0
    """Those among them that were not acknowledged in time and went out once more."""
    acknowledged: int = 0
    """By how much the cursor has moved."""

    def add(self, other: Traffic) -> None:
        """Another session's on top."""
        self.delivered += other.delivered
        self.delivered_bytes += other.delivered_bytes
        self.redelivered += other.redelivered
        self.acknowledged += other.acknowledged
