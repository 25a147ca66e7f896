"""How much one session may hold (two windows: one in flight, one waiting), and what it gives out.

Works on the parts of a ServerSession and keeps nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from whimbrel.core.ack_timer import AckTimer
from whimbrel.core.intake import Intake
from whimbrel.core.session_types import Mode, SessionLimits, SessionStatistics, Traffic
from whimbrel.core.window import Numbered, Window

T = TypeVar("T")


def new_window(limits: SessionLimits, cursor: int) -> Window[T]:
    """The window of a device that has everything up to `cursor`."""
    return Window(cursor, max_messages=limits.window_messages, max_bytes=limits.window_bytes)


def has_space(intake: Intake[T], window: Window[T], limits: SessionLimits, size: int) -> bool:
    """Whether one more of `size` bytes may wait."""
    return intake.messages + window.in_flight < 2 * limits.window_messages and (
        intake.messages == 0
        or intake.size_bytes + window.in_flight_bytes + size <= 2 * limits.window_bytes
    )


def take_page(
    intake: Intake[T], window: Window[T], limits: SessionLimits, page: Iterable[Numbered[T]]
) -> bool:
    """Put in what was read; False when there was no room for all of it."""
    for entry in page:
        if intake.knows(entry.seq):
            continue
        if entry.seq > intake.next_seq:
            return True  # the answer to a question of before a rewind
        if not has_space(intake, window, limits, entry.size):
            # What is held gives way: it is asked for again, the front is not.
            intake.drop_held()
            if not has_space(intake, window, limits, entry.size):
                return False
        intake.put(entry)
    return True


def page_limit(
    mode: Mode, intake: Intake[T], window: Window[T], limits: SessionLimits, head: int
) -> int:
    """How many entries to fetch at once; 0 while the reader has no room for a page."""
    if mode is Mode.LIVE:
        hole = intake.hole
        last = hole.last if hole else head
        wanted = min(last - intake.next_seq + 1, limits.window_messages)
        return wanted if has_space(intake, window, limits, 0) else 0
    # A page ahead of the reader: it is read while the one before is on its way. Not of large
    # bodies, of which half a page would find no room and be read twice.
    is_heavy = window.in_flight_bytes * 2 > limits.window_bytes
    return 0 if intake.ready or is_heavy else limits.window_messages


def take_ready(
    intake: Intake[T],
    window: Window[T],
    timer: AckTimer[T],
    traffic: Traffic,
    now: float,
    max_bytes: int,
) -> list[T]:
    """What to write now, put into the window and counted; see ServerSession.take_ready."""
    taken: list[T] = []
    room = max_bytes
    if timer.again:
        taken, size = timer.take_again(window.cursor, max_bytes)
        max_bytes -= size
        traffic.redelivered += len(taken)
    while (first := intake.peek()) is not None and window.has_room(first.size):
        if taken and first.size > max_bytes:
            break
        window.write(intake.pop(), now)
        taken.append(first.item)
        max_bytes -= first.size
    window.pass_to(intake.passed)
    traffic.delivered += len(taken)
    traffic.delivered_bytes += room - max_bytes
    return taken


def statistics(mode: Mode, head: int, intake: Intake[T], window: Window[T]) -> SessionStatistics:
    """The figures of a session at this moment."""
    return SessionStatistics(
        mode=mode,
        head=head,
        next_seq=intake.next_seq,
        ready=intake.ready,
        held=intake.held,
        waiting_bytes=intake.size_bytes,
        window=window.statistics(),
    )
