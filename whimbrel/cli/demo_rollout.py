"""The second act of `whimbrel demo`: all Access pods are replaced while a crowd talks."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from whimbrel.testing.crowd import Crowd

if TYPE_CHECKING:
    from whimbrel.local.stack import Stack
    from whimbrel.testing.soak.verdict import Verdict
    from whimbrel.testing.story.scenes import Say

PEOPLE: Final = 30
_AT_ONCE: Final = 10
_MESSAGES_AT_A_TIME: Final = 100
_DELIVERED_SECONDS: Final = 30.0


class Rollout:
    """One rolling restart under traffic, and what the clients made of it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.moves: list[int] = []
        self.losses = 0
        self.verdict: Verdict

    async def run(self, stack: Stack, say: Say) -> None:
        """Replace the pods one after the other; talk before, meanwhile and after."""
        users = [f"guest-{number}" for number in range(PEOPLE)]
        async with Crowd(users, stack.endpoints, stack.token) as crowd:
            say(f"{PEOPLE} guests talk; every access pod is replaced, one after the other")
            began = time.monotonic()
            restarting = asyncio.create_task(stack.restart_role("access"))
            while not restarting.done():
                await crowd.talk(_MESSAGES_AT_A_TIME, at_once=_AT_ONCE)
            await restarting
            self.seconds = time.monotonic() - began
            await crowd.talk(_MESSAGES_AT_A_TIME, at_once=_AT_ONCE)
            await crowd.wait_delivered(_DELIVERED_SECONDS)
            self.moves, self.losses = crowd.moves, crowd.losses
            self.verdict = crowd.history.verdict()
            say(f"all pods are new after {self.seconds:.0f} s")

    def rows(self) -> list[tuple[str, str]]:
        """The table of the end."""
        verdict, figures = self.verdict, self.verdict.as_json()
        return [
            ("messages", f"{verdict.accepted} accepted, {verdict.delivered} delivered"),
            ("clients that moved", f"{sum(count > 0 for count in self.moves)} of {PEOPLE}"),
            ("most moves of one client", str(max(self.moves, default=0))),
            ("times a client was without a stream", str(self.losses)),
            ("lost, duplicated, reordered", str(verdict)),
            (
                "silence while something was due: p50, p99, max",
                f"{figures['gap_p50_ms']}, {figures['gap_p99_ms']}, {figures['gap_max_ms']} ms",
            ),
        ]
