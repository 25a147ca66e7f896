"""Which of the wakes that are due shall still be sent, and what they say.

All that decides is read in this one moment, just before the sending; there is no message that
takes a job back (rule 21).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from services.push.domain.notification import Notification, shown_text
from services.push.domain.sifting import Marks
from services.push.domain.wakes import Wake
from services.push.usecases.schedule_wakes import CONSOLE
from services.push.wake_ports import DeviceStore, MarkStore, PushDevice, UnreadCounts, Wishes
from whimbrel.core.errors import ErrorCode, WhimbrelError

T = TypeVar("T")


@dataclass
class JudgeStatistics:
    """Counts of wakes since the start."""

    passed: int = 0
    """A device had the message by then, or a person had read it."""
    expired: int = 0
    gone: int = 0
    """The device is no longer there, or woken by somebody else now."""
    silent: int = 0
    """Sent in quiet hours."""
    without_badge: int = 0
    """Sent while nobody knew the counts."""


class Judged(NamedTuple):
    """What is to be sent, and what needs nothing more."""

    notifications: list[tuple[Notification, PushDevice]]
    dropped: list[Wake]


class JudgeWakes:
    """Looks at everything that decides about a batch of wakes of one provider."""

    def __init__(
        self,
        marks: MarkStore,
        devices: DeviceStore,
        unread: UnreadCounts,
        wishes: Wishes,
        *,
        wall_clock: Callable[[], float],
        lifetime_seconds: float = 86_400.0,
        text: str = "New message",
    ) -> None:
        """`wall_clock`: seconds since the Unix epoch. `text`: what a notification says."""
        self._marks = marks
        self._devices = devices
        self._unread = unread
        self._wishes = wishes
        self._wall_clock = wall_clock
        self._lifetime_seconds = lifetime_seconds
        self._text = text
        self._counts = JudgeStatistics()

    def statistics(self) -> JudgeStatistics:
        """A live view of the counts."""
        return self._counts

    async def judge(self, provider: str, wakes: Sequence[Wake]) -> Judged:
        """Raises UNAVAILABLE when MongoDB does not answer: nothing is known to be unread then.
        A Redis that does not answer costs the badge."""
        users = {wake.user for wake in wakes}
        async with asyncio.TaskGroup() as group:
            asked_marks = group.create_task(_caught(self._marks.find(wakes)))
            asked_devices = group.create_task(
                _caught(self._devices.find({(wake.user, wake.device) for wake in wakes}))
            )
            asked_unread = group.create_task(_caught(self._unread.find(users)))
            asked_hours = group.create_task(_caught(self._wishes.quiet_hours(users)))
            asked_names = group.create_task(
                _caught(self._wishes.names({wake.sender for wake in wakes}))
            )
        marks, devices = _needed(asked_marks.result()), _needed(asked_devices.result())
        unread, hours, names = (
            asked_unread.result()[0] or {},
            asked_hours.result()[0] or {},
            asked_names.result()[0] or {},
        )
        now = self._wall_clock()
        judged = Judged([], [])
        for wake in wakes:
            device = devices.get((wake.user, wake.device))
            if provider == CONSOLE:
                device = device or PushDevice(wake.user, wake.device, "", CONSOLE, "")
            if not self._is_owed(wake, device, provider, marks, now):
                judged.dropped.append(wake)
                continue
            assert device is not None  # it is owed
            counts = unread.get(wake.user)
            quiet = wake.user in hours and hours[wake.user].hold(now)
            here = None if counts is None else counts.by_conversation.get(wake.conversation, 0)
            self._counts.silent += quiet
            self._counts.without_badge += counts is None
            judged.notifications.append(
                (
                    Notification(
                        wake,
                        device.platform,
                        device.token,
                        names.get(wake.sender, wake.sender),
                        shown_text(self._text, here),
                        None if counts is None else counts.total,
                        here,
                        quiet,
                        round(wake.since_ms / 1000 + self._lifetime_seconds),
                    ),
                    device,
                )
            )
        return judged

    def _is_owed(
        self, wake: Wake, device: PushDevice | None, provider: str, marks: Marks, now: float
    ) -> bool:
        if marks.passed(wake):
            self._counts.passed += 1
        elif wake.since_ms / 1000 + self._lifetime_seconds < now:
            self._counts.expired += 1
        elif device is None or provider not in (device.provider, CONSOLE):
            self._counts.gone += 1
        else:
            return True
        return False


async def _caught(asking: Awaitable[T]) -> tuple[T | None, WhimbrelError | None]:
    """One store that is away must not cancel the questions to the others."""
    try:
        return await asking, None
    except WhimbrelError as error:
        if error.code is not ErrorCode.UNAVAILABLE:
            raise
        return None, error


def _needed(answer: tuple[T | None, WhimbrelError | None]) -> T:
    found, error = answer
    if error is not None:
        raise error
    assert found is not None  # one of the two is there
    return found
