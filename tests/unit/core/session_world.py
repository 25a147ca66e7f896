"""A session with a small window, and a timeline whose seqs are its items."""

from __future__ import annotations

from collections.abc import Iterable

from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Mode, SessionLimits
from whimbrel.core.window import Numbered

LIMITS = SessionLimits(window_messages=8, window_bytes=1000)
ALL = 1_000_000


def page(seqs: Iterable[int]) -> list[Numbered[int]]:
    return [Numbered(seq, 10, seq) for seq in seqs]


def live(cursor: int = 0) -> ServerSession[int]:
    session: ServerSession[int] = ServerSession(LIMITS)
    session.attach(cursor, cursor, [], 0.0)
    assert session.mode is Mode.LIVE
    return session


def push(session: ServerSession[int], seqs: Iterable[int], now: float = 0.0) -> None:
    for seq in seqs:
        session.offer(seq, 10, seq, now)
