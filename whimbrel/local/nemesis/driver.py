"""Strikes a stack as the plan says, until it is told to stop, and heals everything it did.

It must not decide anything by chance, and must not look at messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from whimbrel.local.errors import StackError
from whimbrel.local.nemesis.healing import heal
from whimbrel.local.nemesis.kinds import Field
from whimbrel.local.nemesis.plan import Fault, plan_faults
from whimbrel.local.nemesis.strikes import STRIKES, present

if TYPE_CHECKING:
    from whimbrel.local.stack import Stack

BACK_SECONDS: Final = 60.0
"""A part that was struck is healthy again within this time, or the stack is broken."""
_READY_SECONDS: Final = 15.0
_PROCESS_KINDS: Final = {"kill", "stop", "term", "redis-kill", "mongo-kill", "kill-controller"}


@dataclass(frozen=True)
class FaultEvent:
    """Told when a fault begins (`ended` None) and again when it is over: taken back, and the
    process that it struck healthy. Times are those of time.monotonic(), in seconds."""

    kind: str
    target: str
    started: float
    ended: float | None


class Nemesis:
    """The faults of one run on one stack, which must restart its parts (`spec.restart`)."""

    def __init__(
        self,
        stack: Stack,
        *,
        kinds: Collection[str],
        seed: int,
        period_seconds: tuple[float, float] = (2.0, 6.0),
    ) -> None:
        """`kinds` out of KINDS, or "all" for those that the stack can do; `period_seconds` are
        the least and most seconds between two moments at which faults begin.

        Raises StackError for a kind that does not exist or that this stack cannot do.
        """
        if not stack.spec.restart:
            raise StackError("faults need a stack that starts its parts again")
        self._stack = stack
        field = field_of(stack)
        self.kinds = check_kinds(kinds, field)
        self._plan = plan_faults(seed, self.kinds, field, period_seconds)

    async def run(self, record: Callable[[FaultEvent], None], stop: asyncio.Event) -> None:
        """Inject until `stop` is set; then, and when cancelled, heal everything before returning.

        Raises StackError when a part does not come back.
        """
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as strikes:
                for fault in self._plan:
                    await _wait(stop, began + fault.at - time.monotonic())
                    if stop.is_set():
                        break
                    strikes.create_task(self._strike(fault, record, stop))
        finally:
            await heal(self._stack, BACK_SECONDS)

    async def _strike(
        self, fault: Fault, record: Callable[[FaultEvent], None], stop: asyncio.Event
    ) -> None:
        struck = fault.targets if fault.kind in _PROCESS_KINDS else ()
        if struck:
            # What an earlier fault has not given back yet cannot be struck; late is good enough.
            with suppress(StackError):
                await self._stack.wait_healthy(_READY_SECONDS, *_present(self._stack, struck))
        if stop.is_set():
            return
        event = FaultEvent(fault.kind, fault.target, time.monotonic(), None)
        record(event)
        try:
            async with STRIKES[fault.kind](self._stack, fault):
                await _wait(stop, fault.seconds)
            if struck:
                with suppress(StackError):  # if it is still so in the end, healing says it
                    await self._stack.wait_healthy(BACK_SECONDS, *_present(self._stack, struck))
        finally:
            record(replace(event, ended=time.monotonic()))


def _present(stack: Stack, names: tuple[str, ...]) -> list[str]:
    return [present(stack, name) for name in names]


def field_of(stack: Stack) -> Field:
    """What this stack offers for being struck."""
    stores = stack.stores
    return Field(
        pods=tuple(sorted(stack.pods)),
        redis=tuple(name for name in stores if name == "redis"),
        mongods=tuple(sorted(name for name in stores if name.startswith("mongod"))),
        links=tuple(sorted(stack.links.proxies)),
        clocks=tuple(sorted(name for name in stack.pods if name.startswith("logic-")))
        if stack.spec.clocks
        else (),
    )


def check_kinds(kinds: Collection[str], field: Field) -> tuple[str, ...]:
    """The kinds that are meant, in their order; raises StackError for what cannot be done."""
    possible = field.possible()
    if "all" in kinds:
        return possible
    for kind in kinds:
        try:
            targets = field.targets(kind)
        except ValueError as error:
            raise StackError(str(error)) from None
        if not targets:
            raise StackError(
                f"this stack cannot do the fault {kind!r} ({_NEEDS[kind]}); it can do: "
                f"{', '.join(possible)}"
            )
    return tuple(kind for kind in possible if kind in kinds)


_NEEDS: Final = {
    "redis-kill": "it needs a redis of its own",
    "mongo-kill": "it needs a MongoDB of its own",
    "mongo-stepdown": "it needs three MongoDB members",
    "net-delay": "it needs proxies",
    "net-cut": "it needs proxies",
    "net-half-open": "it needs proxies",
    "drain": "it needs two Access pods",
    "rollout": "it needs two Access pods",
    "kill-controller": "it needs a drain controller",
    "clock": "it needs clocks that can be stepped",
}


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Until `stop` is set, or the seconds are over."""
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
