"""Carries out one fault on a running stack, and takes it back.

Each strike is an asynchronous context manager: entered, the fault is there; left, whatever was
the reason, it is undone. It waits for nothing on leaving: a part that comes back by itself is
waited for by the driver.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from whimbrel.core.errors import WhimbrelError
from whimbrel.local.errors import StackError
from whimbrel.local.faketime import step_clock
from whimbrel.local.nemesis.plan import Fault
from whimbrel.local.proxy import CUT, PASS, Mode, delayed, half_open
from whimbrel.local.replica_set import find_primary, step_down

if TYPE_CHECKING:
    from whimbrel.local.stack import Stack

REDIS_SECONDS: Final = 2.0
_LEAVES_WITHIN_SECONDS: Final = 40.0
"""A pod that was asked to leave and is still there is killed then, as Kubernetes does."""
_ROLLS_WITHIN_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1

Strike = Callable[["Stack", Fault], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _killed(stack: Stack, fault: Fault) -> AsyncIterator[None]:
    """Both at once, not one after the other has died."""
    await asyncio.gather(*(_signal(stack, name, signal.SIGKILL) for name in fault.targets))
    yield


@asynccontextmanager
async def _asked_to_leave(stack: Stack, fault: Fault) -> AsyncIterator[None]:
    name = present(stack, fault.targets[0])
    with suppress(StackError):  # a rollout has taken it away meanwhile
        starts = stack.starts(name)
        await _signal(stack, name, signal.SIGTERM)
        try:
            async with asyncio.timeout(_LEAVES_WITHIN_SECONDS):
                while stack.starts(name) == starts and stack.spec.restart:  # noqa: ASYNC110 (a process)
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            await _signal(stack, name, signal.SIGKILL)
    yield


@asynccontextmanager
async def _deleted(stack: Stack, fault: Fault) -> AsyncIterator[None]:
    with suppress(WhimbrelError):  # a rollout is just taking it away
        stack.platform.delete(present(stack, fault.targets[0]))
    await _settled(stack)
    yield


@asynccontextmanager
async def _rolled_out(stack: Stack, _: Fault) -> AsyncIterator[None]:
    stack.platform.restart("access", 1)
    await _settled(stack)
    yield


async def _settled(stack: Stack) -> None:
    """Until the Access pods are as wanted; other faults may keep that from happening."""
    with suppress(StackError):
        await stack.platform.settle_within("access", _ROLLS_WITHIN_SECONDS)


def present(stack: Stack, name: str) -> str:
    """The part of this name, or the pod that has taken its place."""
    role, _, number = name.rpartition("-")
    alike = [one for one in stack.pods if one.rpartition("-")[0] == role]
    if name in stack.pods or name in stack.stores or not alike:
        return name
    return sorted(alike, key=lambda one: int(one.rpartition("-")[2]))[int(number) % len(alike)]


@asynccontextmanager
async def _stopped(stack: Stack, fault: Fault) -> AsyncIterator[None]:
    name = present(stack, fault.targets[0])
    try:
        await _signal(stack, name, signal.SIGSTOP)
        yield
    finally:
        await _signal(stack, name, signal.SIGCONT)


@asynccontextmanager
async def _flushed(stack: Stack, _: Fault) -> AsyncIterator[None]:
    redis = Redis.from_url(
        stack.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    try:
        # A redis that is away at this moment comes back empty: that is the same fault.
        with suppress(RedisError, OSError):
            await redis.flushall()
    finally:
        await redis.aclose()
    yield


@asynccontextmanager
async def _stepped_down(stack: Stack, fault: Fault) -> AsyncIterator[None]:
    addresses = [stack.endpoint_of(name) for name in stack.stores if name.startswith("mongod-")]
    primary = await find_primary(addresses)
    if primary is not None:
        # Longer than the strike is held: else the same member could be back before it ends.
        await step_down(addresses[primary], seconds=int(fault.seconds) + 5)
    yield


@asynccontextmanager
async def _links_in(stack: Stack, names: tuple[str, ...], mode: Mode) -> AsyncIterator[None]:
    # A pod that a rollout has replaced took its links along.
    there = stack.links.proxies
    proxies = [there[name] for name in names if name in there]
    try:
        for proxy in proxies:
            proxy.set_mode(mode)
        yield
    finally:
        for proxy in proxies:
            proxy.set_mode(PASS)


def _slow(stack: Stack, fault: Fault) -> AbstractAsyncContextManager[None]:
    return _links_in(stack, fault.targets, delayed(fault.amount, fault.amount / 2))


def _cut(stack: Stack, fault: Fault) -> AbstractAsyncContextManager[None]:
    return _links_in(stack, fault.targets, CUT)


def _half_open(stack: Stack, fault: Fault) -> AbstractAsyncContextManager[None]:
    dead = cast(Literal["up", "down"], fault.dead)
    return _links_in(stack, fault.targets, half_open(dead))


@asynccontextmanager
async def _clock_stepped(stack: Stack, fault: Fault) -> AsyncIterator[None]:
    clock = stack.folder.clock(fault.targets[0].removeprefix("clock of "))
    try:
        step_clock(clock, fault.amount)
        yield
    finally:
        step_clock(clock, 0.0)


async def _signal(stack: Stack, name: str, number: int) -> None:
    with suppress(StackError):  # it is just starting again: there is nothing to strike
        await stack.kill(present(stack, name), number)


STRIKES: Final[dict[str, Strike]] = {
    "kill": _killed,
    "stop": _stopped,
    "term": _asked_to_leave,
    "redis-flush": _flushed,
    "redis-kill": _killed,
    "mongo-kill": _killed,
    "mongo-stepdown": _stepped_down,
    "net-delay": _slow,
    "net-cut": _cut,
    "net-half-open": _half_open,
    "drain": _deleted,
    "rollout": _rolled_out,
    "kill-controller": _killed,
    "clock": _clock_stepped,
}
"""By kind."""
