"""What an operator does by hand: send a test, look at what came to nothing, have it wait again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome, Result
from services.push.domain.wakes import Wake
from services.push.wake_ports import DeadLetter, DeadLetters, DeviceStore, Provider, WakeQueue
from whimbrel.core.errors import invalid

MAX_LETTERS: Final = 500
TEST_CONVERSATION: Final = "push-test"


class Tested(NamedTuple):
    """What a provider made of a test; `outcome` None when this deployment does not have it."""

    device: str
    provider: str
    outcome: Outcome | None


class LookAfterPush:
    """One per pod."""

    def __init__(
        self,
        devices: DeviceStore,
        providers: Mapping[str, Provider],
        queue: WakeQueue,
        dead_letters: DeadLetters,
        *,
        wall_clock: Callable[[], float],
        send_timeout_seconds: float = 10.0,
    ) -> None:
        """`wall_clock`: seconds since the Unix epoch."""
        self._devices = devices
        self._providers = providers
        self._queue = queue
        self._dead_letters = dead_letters
        self._wall_clock = wall_clock
        self._send_timeout_seconds = send_timeout_seconds

    async def test(self, user: str, device: str = "") -> list[Tested]:
        """Send a test to the user's devices, or to one of them, by device."""
        if not user:
            raise invalid("a user_id is needed")
        found = (await self._devices.of_users([user])).get(user, [])
        chosen = sorted(one for one in found if device in ("", one.device))
        async with asyncio.TaskGroup() as group:  # a user has at most 64 devices
            tasks = [
                group.create_task(self._send(one.provider, self._notification(*one)))
                for one in chosen
            ]
        return [
            Tested(one.device, one.provider, task.result())
            for one, task in zip(chosen, tasks, strict=True)
        ]

    async def letters(self, before: str, limit: int) -> tuple[list[DeadLetter], int]:
        """The newest dead letters below an id, and how many there are in all."""
        if not 1 <= limit <= MAX_LETTERS:
            raise invalid(f"limit must be 1 to {MAX_LETTERS}")
        return await self._dead_letters.newest(before, limit), await self._dead_letters.length()

    async def retry(self, letter_ids: Sequence[str]) -> int:
        """Have them wait again; how many do. One that is asked for twice at once waits once."""
        if not 1 <= len(letter_ids) <= MAX_LETTERS:
            raise invalid(f"1 to {MAX_LETTERS} letter_ids are needed")
        letters = await self._dead_letters.find(letter_ids)
        now_ms = round(self._wall_clock() * 1000)
        wakes: dict[str, list[tuple[Wake, int]]] = defaultdict(list)
        for letter in letters:
            wakes[letter.provider].append((letter.wake._replace(tries=0), now_ms))
        # First they wait, then they are no letters: in between they are both, and not lost.
        for provider, again in wakes.items():
            await self._queue.schedule(provider, again)
        if letters:
            await self._dead_letters.remove([letter.letter_id for letter in letters])
        return len(letters)

    def _notification(
        self, user: str, device: str, platform: str, provider: str, token: str
    ) -> Notification:
        now = self._wall_clock()
        wake = Wake(user, device, TEST_CONVERSATION, "whimbrel", 0, 0, round(now * 1000))
        text = "This is a test of push notifications"
        expires_at = round(now) + 300
        return Notification(
            wake,
            platform,
            token,
            "Whimbrel",
            text,
            None,
            None,
            is_silent=False,
            expires_at=expires_at,
        )

    async def _send(self, provider: str, notification: Notification) -> Outcome | None:
        if provider not in self._providers:
            return None
        try:
            async with asyncio.timeout(self._send_timeout_seconds):
                return await self._providers[provider].send(notification)
        except TimeoutError:
            return Outcome(Result.RETRY, "timeout", suffers=True)
