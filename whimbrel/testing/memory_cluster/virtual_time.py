"""An event loop whose clock jumps to the next timer instead of waiting for it.

Everything that asks the loop for the time (asyncio.sleep, asyncio.timeout, `loop.time`) lives in
simulated seconds. Nothing real may be waited for: no sockets, no threads, no signals.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START_SECONDS = 1_000.0


class NothingHappensError(Exception):
    """Every task waits and no timer is set: in real time this would hang for ever."""


class _JumpingSelector(selectors.SelectSelector):
    """Finds no file ready, and lets the time that it would have waited pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START_SECONDS

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingHappensError
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Simulated seconds, from 1,000 on."""
        return self._jumping.now


async def let_pass(seconds: float) -> None:
    """Let so many simulated seconds pass. TypeError in a loop whose time is real."""
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise TypeError("the time of this loop is real: wait for a condition")
    await asyncio.sleep(seconds)


def run_simulated(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the coroutine in simulated time; its result. The caller must not be in a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
