"""What becomes of a wake once its provider has answered: it is done, tried again, or buried.

A token that the provider knows no more is forgotten. What fails here can be done again as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from services.push.domain.outcomes import Follow, Outcome, Result, follow
from services.push.domain.wakes import Wake
from services.push.wake_ports import (
    DeadLetter,
    DeadLetters,
    DeviceStore,
    PushDevice,
    Settlement,
    WakeMemory,
    WakeQueue,
)
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)


class Answered(NamedTuple):
    """A wake that was sent, to which device, and what the provider said."""

    wake: Wake
    device: PushDevice
    outcome: Outcome


class SettleWakes:
    """For the lane of one provider."""

    def __init__(
        self,
        provider: str,
        *,
        queue: WakeQueue,
        memory: WakeMemory,
        devices: DeviceStore,
        dead_letters: DeadLetters,
        dice: Callable[[], float],
        newer_delay_seconds: float,
    ) -> None:
        """`newer_delay_seconds`: see LaneLimits."""
        self._provider = provider
        self._queue = queue
        self._memory = memory
        self._devices = devices
        self._dead_letters = dead_letters
        self._dice = dice
        self._newer_delay_seconds = newer_delay_seconds

    async def settle(self, answered: Sequence[Answered], now_ms: int) -> int:
        """Settle all of these; how many were buried. Raises UNAVAILABLE when a store does not
        answer: then none of them counts as settled."""
        newer_ms = now_ms + round(self._newer_delay_seconds * 1000)
        settlements: list[Settlement] = []
        buried: list[DeadLetter] = []
        done: list[Wake] = []
        for wake, device, outcome in answered:
            then = follow(outcome, wake.tries, self._dice())
            if then.forgets_token and await self._devices.forget_token(device):
                _log.info("token_forgotten", provider=self._provider, reason=outcome.reason)
            if then.is_buried:
                buried.append(DeadLetter("", self._provider, outcome.reason, wake, now_ms))
            if outcome.result is Result.DELIVERED:
                done.append(wake)
            settlements.append(_settlement(wake, then, now_ms, newer_ms))
        # Remembered before they leave the queue: in between, a double finds one or the other.
        await self._memory.remember(done)
        if buried:
            await self._dead_letters.add(buried)
            reasons = Counter(letter.reason for letter in buried)
            _log.error("wakes_buried", provider=self._provider, reasons=dict(reasons))
        await self._queue.settle(self._provider, settlements)
        return len(buried)


def _settlement(wake: Wake, then: Follow, now_ms: int, newer_ms: int) -> Settlement:
    if then.again_in_seconds is None:
        return Settlement(wake, None, newer_ms)
    again = wake._replace(tries=wake.tries + then.counts_as_try)
    return Settlement(wake, again, now_ms + round(then.again_in_seconds * 1000))
