"""Brings a stack back to health, whatever was done to it, cancelled or not."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from whimbrel.local.errors import StackError
from whimbrel.local.faketime import step_clock

if TYPE_CHECKING:
    from whimbrel.local.stack import Stack


async def heal(stack: Stack, timeout_seconds: float) -> None:
    """Continue all processes, open all links, set all clocks right, and wait until every part
    is healthy. A cancellation waits until it is done. Raises StackError when one is not.
    """
    healing = asyncio.ensure_future(_heal(stack, timeout_seconds))
    cancelled: asyncio.CancelledError | None = None
    while not healing.done():
        try:
            await asyncio.wait((healing,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        healing.exception()  # seen; the cancellation is what the caller asked for
        raise cancelled
    healing.result()


async def _heal(stack: Stack, timeout_seconds: float) -> None:
    stack.links.heal()
    for name in [*stack.pods, *stack.stores]:
        with suppress(StackError):  # it is just starting again: nobody has stopped that process
            await stack.kill(name, signal.SIGCONT)
        if stack.spec.clocks and name.startswith("logic-"):
            step_clock(stack.folder.clock(name), 0.0)
    await stack.platform.settle_within("access", timeout_seconds)
    await stack.wait_healthy(timeout_seconds)
