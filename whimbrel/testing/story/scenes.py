"""What a story is told with: scenes that are timed, and checks of what they have brought about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

_SOON_SECONDS: Final = 5.0
_LOOK_AGAIN_SECONDS: Final = 0.1

Say = Callable[[str], None]


class StoryError(AssertionError):
    """Something in the story did not come out as it has to."""


class Scenes:
    """The scenes of one run, one after the other."""

    def __init__(self, say: Say) -> None:
        """`say` gets a line as each scene ends."""
        self.rows: list[tuple[str, str, float]] = []
        """What there is to show: name, outcome, seconds."""
        self._say = say

    async def play(self, name: str, scene: Awaitable[str]) -> None:
        """One scene, which says what came of it."""
        began = time.monotonic()
        outcome = await scene
        self.rows.append((name, outcome, time.monotonic() - began))
        self._say(f"{name}: {outcome}")


def expect(got: Any, wanted: Any, what: str) -> None:
    """Raises StoryError when it is something else."""
    if got != wanted:
        raise StoryError(f"{what}: {got!r} instead of {wanted!r}")


async def soon(
    what: str,
    look: Callable[[], Awaitable[Any]],
    wanted: Any,
    *,
    within_seconds: float = _SOON_SECONDS,
) -> None:
    """Look until it is as wanted: indexes and events follow a commit by a moment. Raises
    StoryError with what there was instead."""
    give_up_at = time.monotonic() + within_seconds
    while (got := await look()) != wanted:
        if time.monotonic() > give_up_at:
            raise StoryError(f"{what}: {got!r} instead of {wanted!r} for {within_seconds:g} s")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
