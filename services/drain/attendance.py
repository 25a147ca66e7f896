"""The pods that attend: what each said last, and what it is to be told next. Of a pod with several
processes each attends; who they are together is `domain.processes`' to say.

Only the latest counts in both directions: a report replaces the one before, an order too, so
that nothing piles up behind a pod or a controller that is slow. The newest stream of a pod wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from services.drain.domain.facts import Report
from services.drain.domain.orders import Order
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.errors import ErrorCode, WhimbrelError

MOST_PODS: Final = 5_000
SILENT_SECONDS: Final = 10.0
"""A pod reports every 0.5 s; one that was silent for so long (stopped, or cut off without a
word) is not believed any more."""


class Told(NamedTuple):
    """An order as it goes to a pod."""

    term: int
    order: Order


class AttendanceStatistics(NamedTuple):
    """The figures at this moment."""

    attending: int
    reports: int
    orders: int
    replaced: int
    """Streams that a newer one of the same pod has ended."""


class Attendee:
    """One stream of one pod: filled by the controller, emptied by the stream's writer."""

    def __init__(self, pod_id: str) -> None:
        self.pod_id = pod_id
        self.report: Report | None = None
        self.reported_at = 0.0
        self._next: Told | None = None
        self._ready = asyncio.Event()
        self._is_closed = False

    def tell(self, told: Told) -> None:
        """The whole of what is wanted; replaces what was not sent yet."""
        self._next = told
        self._ready.set()

    def close(self) -> None:
        """End the stream."""
        self._is_closed = True
        self._ready.set()

    async def wait_order(self) -> Told | None:
        """The next thing to say; None when the stream is to end."""
        await self._ready.wait()
        self._ready.clear()
        if self._is_closed:
            return None
        told, self._next = self._next, None
        return told


class Attendance:
    """All streams of one controller."""

    def __init__(self, clock: Callable[[], float], on_news: Callable[[], None]) -> None:
        """`on_news` is called when a pod has come or gone, or has changed its phase, plan or
        mind: not for every report."""
        self._clock = clock
        self._on_news = on_news
        self._attendees: dict[str, Attendee] = {}
        self._last_words: dict[str, Report] = {}
        self._is_closed = False
        self._reports = self._orders = self._replaced = 0

    def join(self, report: Report) -> Attendee:
        """A pod opens a stream. Raises INVALID_ARGUMENT without a pod_id, OVERLOADED when there
        are too many, UNAVAILABLE when this controller stops."""
        if not report.pod_id:
            raise WhimbrelError(ErrorCode.INVALID_ARGUMENT, "the first report names no pod_id")
        if self._is_closed:
            raise WhimbrelError(
                ErrorCode.UNAVAILABLE, "this controller stops", retry_after_seconds=1.0
            )
        before = self._attendees.get(report.pod_id)
        if before is not None:
            self._replaced += 1
            before.close()
        elif len(self._attendees) >= MOST_PODS:
            raise WhimbrelError(
                ErrorCode.OVERLOADED,
                f"{MOST_PODS} pods attend already",
                retry_after_seconds=10.0,
            )
        attendee = Attendee(report.pod_id)
        self._attendees[report.pod_id] = attendee
        if report.process_of is not None:
            self._last_words.pop(report.pod_id, None)  # it was started again
        self.take(attendee, report)
        return attendee

    def take(self, attendee: Attendee, report: Report) -> None:
        """A report has come. One that names another pod than the first one is not believed."""
        if report.pod_id != attendee.pod_id:
            raise WhimbrelError(
                ErrorCode.INVALID_ARGUMENT, "a stream is about one pod: pod_id has changed"
            )
        before, attendee.report = attendee.report, report
        attendee.reported_at = self._clock()
        self._reports += 1
        if before is None or _matters(before, report):
            self._on_news()

    def leave(self, attendee: Attendee) -> None:
        """The stream has ended. Harmless after a newer one has come."""
        if self._attendees.get(attendee.pod_id) is attendee:
            del self._attendees[attendee.pod_id]
            report = attendee.report
            if report is not None and not self._is_missed(report):
                self._last_words[attendee.pod_id] = report
            self._on_news()

    def _is_missed(self, report: Report) -> bool:
        """Whether it has died in the middle of its work, and its pod starts it again: what it
        held is on its way to somewhere else."""
        return report.phase is DrainPhase.ACTIVE and self._has_others(report)

    def _has_others(self, report: Report) -> bool:
        """Whether other processes of the same start of its pod attend."""
        return report.process_of is not None and any(
            other.report is not None and other.report.process_of == report.process_of
            for other in self._attendees.values()
        )

    def reports(self) -> dict[str, Report]:
        """What the pods that attend said last, by pod or process. A process that has left in a
        drain goes on to count while others of its pod are there: what it has moved was moved."""
        oldest = self._clock() - SILENT_SECONDS
        left = {
            process_id: report
            for process_id, report in self._last_words.items()
            if report.phase is not DrainPhase.ACTIVE and self._has_others(report)
        }
        return left | {
            pod_id: attendee.report
            for pod_id, attendee in self._attendees.items()
            if attendee.report is not None and attendee.reported_at >= oldest
        }

    def take_last_words(self) -> dict[str, Report]:
        """What those that have left since the last call said last, by pod or process: a pod that
        is empty ends at once, and that it was empty is all that matters. Those of processes are
        taken when the last of their pod has left."""
        words, self._last_words = self._last_words, {}
        self._last_words = {
            process_id: report for process_id, report in words.items() if self._has_others(report)
        }
        return {one: report for one, report in words.items() if one not in self._last_words}

    def tell(self, pod_id: str, told: Told) -> None:
        """Order a pod; nothing happens if it does not attend."""
        attendee = self._attendees.get(pod_id)
        if attendee is not None:
            self._orders += 1
            attendee.tell(told)

    async def close(self) -> None:
        """This controller stops: end all streams."""
        self._is_closed = True
        for attendee in self._attendees.values():
            attendee.close()

    def statistics(self) -> AttendanceStatistics:
        """The figures at this moment."""
        return AttendanceStatistics(
            len(self._attendees), self._reports, self._orders, self._replaced
        )


def _matters(before: Report, after: Report) -> bool:
    """Whether it says more than that time has passed."""
    return (
        before.incarnation != after.incarnation
        or before.phase != after.phase
        or before.plan_id != after.plan_id
        or before.term != after.term
        or (before.stopping_in_seconds is None) != (after.stopping_in_seconds is None)
        or (before.sessions == 0) != (after.sessions == 0)
    )
