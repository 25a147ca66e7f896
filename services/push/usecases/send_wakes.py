"""The loop of one provider: claim what is due, judge it, send it, have settled what came of it.

Each provider has a lane of its own, with its own waiting wakes, its own bound and its own
breaker, so one that hangs or is down holds up nobody else. What a pod had in hand when it died is
due again when its lease is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome, Result
from services.push.domain.wakes import Wake
from services.push.lane import LaneLimits, LaneStatistics
from services.push.usecases.judge_wakes import JudgeWakes
from services.push.usecases.settle_wakes import Answered, SettleWakes
from services.push.wake_ports import (
    DeadLetters,
    DeviceStore,
    Provider,
    PushDevice,
    Settlement,
    WakeMemory,
    WakeQueue,
    WakeTraces,
)
from whimbrel.core.breaker import Breaker
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

FAILURES_IN_A_ROW: Final = 5
FIRST_OPEN_SECONDS: Final = 2.0
LAST_OPEN_SECONDS: Final = 60.0


class SendWakes:
    """The lane of one provider in one pod; `run` is its task."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        *,
        queue: WakeQueue,
        judge: JudgeWakes,
        memory: WakeMemory,
        devices: DeviceStore,
        dead_letters: DeadLetters,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        dice: Callable[[], float],
        limits: LaneLimits | None = None,
        traces: WakeTraces | None = None,
    ) -> None:
        """`clock`: monotonic seconds; `wall_clock`: seconds since the Unix epoch."""
        self.name = name
        self._provider = provider
        self._queue = queue
        self._judge = judge
        self._clock = clock
        self._wall_clock = wall_clock
        self._limits = limits or LaneLimits()
        self._settler = SettleWakes(
            name,
            queue=queue,
            memory=memory,
            devices=devices,
            dead_letters=dead_letters,
            dice=dice,
            newer_delay_seconds=self._limits.newer_delay_seconds,
        )
        self._traces = traces
        self._breaker = Breaker(FAILURES_IN_A_ROW, FIRST_OPEN_SECONDS, LAST_OPEN_SECONDS)
        self._counts = LaneStatistics()
        self._in_flight = 0
        self._claimed: list[Wake] = []
        self._claimed_at = 0.0
        self._answered: deque[Answered] = deque()
        self._something = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()

    def statistics(self) -> LaneStatistics:
        """A live view."""
        self._counts.in_flight = self._in_flight
        self._counts.is_open = self._breaker.is_open
        self._counts.times_opened = self._breaker.times_opened
        return self._counts

    async def run(self) -> None:
        """Work until `stop`; then what is on its way is waited for and settled."""
        failures = 0
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping or self._in_flight or self._answered:
                    found = 0
                    try:
                        found = await self.step(group)
                    except WhimbrelError as error:
                        if error.code is not ErrorCode.UNAVAILABLE:
                            raise
                        failures += 1
                        if failures == 1:
                            _log.warning(
                                "lane_interrupted", provider=self.name, reason=error.detail
                            )
                        if self._stopping and not self._in_flight:
                            break  # what is not settled is due again elsewhere
                    else:
                        if failures:
                            _log.info("lane_resumed", provider=self.name, failures=failures)
                        failures = 0
                    await self._wait(is_busy=found > 0)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Claim no more, and wait until what is on its way is settled."""
        self._stopping = True
        self._something.set()
        await self._ended.wait()

    async def step(self, group: asyncio.TaskGroup) -> int:
        """Settle what was answered and claim what is due; how many were claimed. Raises
        UNAVAILABLE when a store does not answer: leases bring back what was claimed."""
        await self._settle()
        await self._claim()
        if not self._claimed:
            return 0
        # Those that could not be judged, because a store was away, are judged at the next step.
        notifications, dropped = await self._judge.judge(self.name, self._claimed)
        found = len(self._claimed)
        self._claimed = []
        for notification, device in notifications:
            self._breaker.may_ask(self._clock())  # if it is open, this one decides
            self._in_flight += 1
            group.create_task(self._send(notification, device))
        if dropped:
            await self._queue.settle(self.name, [Settlement(wake) for wake in dropped])
        return found

    async def _claim(self) -> None:
        limits = self._limits
        if self._claimed and self._clock() - self._claimed_at > limits.lease_seconds / 2:
            self._claimed = []  # soon another pod may have them
        room = self._room()
        if not self._claimed and room:
            self._claimed_at = self._clock()
            self._claimed = await self._queue.claim(
                self.name, self._now_ms(), round(limits.lease_seconds * 1000), room
            )

    def _room(self) -> int:
        if self._stopping:
            return 0
        limits = self._limits
        room = min(limits.batch, limits.max_in_flight - self._in_flight)
        permitted = self._breaker.room(self._clock())
        return room if permitted is None else min(room, permitted)

    async def _send(self, notification: Notification, device: PushDevice) -> None:
        try:
            began = self._clock()
            outcome = await self._outcome(notification)
            self._heed(outcome)
            if notification.wake.traceparent and self._traces is not None:
                self._traces.sent(self.name, notification.wake, outcome, began)
            self._answered.append(Answered(notification.wake, device, outcome))
        finally:
            self._in_flight -= 1
            self._something.set()

    async def _outcome(self, notification: Notification) -> Outcome:
        try:
            async with asyncio.timeout(self._limits.send_timeout_seconds):
                return await self._provider.send(notification)
        except TimeoutError:
            return Outcome(Result.RETRY, "timeout", suffers=True)
        # A bug in one adapter, or in its library, must not end the lanes of all others: logged
        # here, and the wake is tried again, a bounded number of times.
        except Exception:  # noqa: BLE001 - the edge of a provider's adapter
            _log.exception("provider_failed", provider=self.name)
            return Outcome(Result.RETRY, "internal", suffers=True)

    def _heed(self, outcome: Outcome) -> None:
        """What the answer says about the provider."""
        self._counts.outcomes[outcome.result.value] += 1
        was_open = self._breaker.is_open
        if outcome.result is Result.UNAVAILABLE:
            self._breaker.trip(self._clock(), outcome.retry_after_seconds)
        elif outcome.suffers:
            self._breaker.failed(self._clock())
        else:
            self._breaker.succeeded()
        if self._breaker.is_open and not was_open:
            _log.error("provider_unavailable", provider=self.name, reason=outcome.reason)
        elif was_open and not self._breaker.is_open:
            _log.info("provider_available", provider=self.name)

    async def _wait(self, *, is_busy: bool) -> None:
        """Until there is something to do; and a moment longer, for more of it to be there."""
        if not is_busy and not self._answered:
            self._something.clear()
            try:
                async with asyncio.timeout(self._limits.idle_seconds):
                    await self._something.wait()
            except TimeoutError:
                return
        await asyncio.sleep(self._limits.linger_seconds)

    async def _settle(self) -> None:
        """Settle what was answered; what fails stays and is settled at the next step."""
        answered = list(self._answered)
        if not answered:
            return
        buried = await self._settler.settle(answered, self._now_ms())
        if buried:
            self._counts.outcomes["buried"] += buried
        for _ in answered:
            self._answered.popleft()

    def _now_ms(self) -> int:
        return round(self._wall_clock() * 1000)
