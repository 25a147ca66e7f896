"""How late the event loop is: a task that wants to wake every so often, and measures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_STEP_SECONDS: Final = 0.1
_WINDOW_STEPS: Final = 50


class LoopLag:
    """The worst delay of the last 5 s. `run` is its task."""

    def __init__(self, on_second: Callable[[float], None] = lambda _: None) -> None:
        """`on_second` gets the worst delay of the last second, in milliseconds, once a second."""
        self._on_second = on_second
        self._delays: list[float] = [0.0] * _WINDOW_STEPS
        self._step = 0

    @property
    def worst_ms(self) -> float:
        """Over the last 5 s."""
        return max(self._delays)

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        per_second = round(1 / _STEP_SECONDS)
        while True:
            due = clock() + _STEP_SECONDS
            await asyncio.sleep(_STEP_SECONDS)
            self._delays[self._step % _WINDOW_STEPS] = (clock() - due) * 1000
            self._step += 1
            if self._step % per_second == 0:
                last = (self._step - 1 - back for back in range(per_second))
                self._on_second(max(self._delays[step % _WINDOW_STEPS] for step in last))
