"""A whole stack as a platform: its pods come, go and are replaced, as processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.waiting import until
from whimbrel.local.children import Identity
from whimbrel.local.cluster import is_serving, list_pods
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")
# The platform alone: what a controller makes of it is in tests/e2e.
SPEC = StackSpec(access=2, push=0, drain=0, proxied=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stack]:
    async with Stack.start(SPEC) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Stack) -> Stack:
    """As the test before has left it, with two ready Access pods."""
    await running.scale("access", 2)
    return running


def access(stack: Stack) -> list[str]:
    return [pod.pod_id for pod in stack.platform.view().pods if pod.role == "access"]


def ready(stack: Stack) -> int:
    return sum(pod.ready for pod in stack.platform.view().pods if pod.role == "access")


def revisions(stack: Stack) -> set[str]:
    return {pod.revision for pod in stack.platform.view().pods if pod.role == "access"}


@asynccontextmanager
async def never_fewer_ready_than(least: int, stack: Stack) -> AsyncIterator[None]:
    """Looks at each change."""
    counts = [ready(stack)]

    async def look() -> None:
        while True:
            await stack.platform.wait_changed()
            counts.append(ready(stack))

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait((looking,))
    assert min(counts) >= least, counts


async def until_another(stack: Stack, before: list[str]) -> str:
    """The first pod that was not there before, once it has a process."""
    async with asyncio.timeout(30):
        while not (came := [name for name in access(stack) if name not in before]):
            await stack.platform.wait_changed()
    await until(lambda: came[0] in stack.server_pids())
    return came[0]


async def until_gone(stack: Stack, *names: str) -> None:
    """Until the registry does not know them: the Router looks at it twice a second."""

    async def nobody_left() -> bool:
        known = {pod.pod_id for pod in await list_pods(stack.router_addresses)}
        return not known & set(names)

    await until(nobody_left)


async def test_more_pods_and_fewer(stack: Stack) -> None:
    before = access(stack)
    await stack.scale("access", 3)
    (name,) = set(access(stack)) - set(before)
    registered = {pod.pod_id: pod for pod in await list_pods(stack.router_addresses)}
    assert registered[name].client_endpoint in stack.endpoints
    assert registered[name].client_endpoint == stack.links.proxies[f"clients>{name}"].address
    assert await is_serving(registered[name].client_endpoint), "through its proxy"
    assert stack.folder.running().endpoints == stack.endpoints
    process = Identity.of(stack.pid(name))

    stack.platform.mark(before[0], deletion_cost=5, drain_wanted=None)
    stack.platform.mark(before[1], deletion_cost=5, drain_wanted=None)
    await stack.scale("access", 2)
    assert access(stack) == before
    assert not process.is_alive
    record = stack.folder.running()
    assert name not in record.parts
    assert len(record.endpoints) == 2
    ends = [link.split(">") for link in stack.links.proxies]
    assert not [one for one in ends if name in one and one[0] != "clients"]
    await until_gone(stack, name)


async def test_a_rollout_replaces_every_pod_and_is_never_short_of_one(stack: Stack) -> None:
    before = access(stack)
    old = [Identity.of(stack.pid(name)) for name in before]
    async with never_fewer_ready_than(2, stack):
        revision = await stack.restart_role("access", surge=1, timeout_seconds=60)
    assert revisions(stack) == {revision}
    assert len(access(stack)) == 2
    assert not set(before) & set(access(stack)), "names are not used again"
    assert not any(process.is_alive for process in old)
    registered = await list_pods(stack.router_addresses)
    assert {pod.revision for pod in registered if pod.pod_id in access(stack)} == {revision}
    await until_gone(stack, *before)


async def test_a_deleted_pod_is_replaced_at_once(stack: Stack) -> None:
    first, second = before = access(stack)
    process, revision = Identity.of(stack.pid(first)), revisions(stack)
    stack.platform.delete(first)
    name = await until_another(stack, before)
    assert process.is_alive, "the other one does not wait for its end"
    async with asyncio.timeout(60):
        await stack.platform.wait_settled("access")
    assert access(stack) == sorted([second, name])
    assert revisions(stack) == revision
    assert not process.is_alive


async def test_a_pod_that_is_killed_in_mid_rollout_comes_back_and_the_rollout_ends(
    stack: Stack,
) -> None:
    before = access(stack)
    revision = stack.platform.restart("access", 1)
    name = await until_another(stack, before)
    killed = Identity.of(stack.pid(name))
    await stack.kill(name)
    await stack.kill(before[0])
    assert not killed.is_alive
    async with asyncio.timeout(60):
        await stack.platform.wait_settled("access")
    assert revisions(stack) == {revision}
    assert name in access(stack), "started again in place"
    assert stack.starts(name) == 2


async def test_a_second_restart_in_mid_rollout_turns_it(stack: Stack) -> None:
    before = access(stack)
    async with never_fewer_ready_than(2, stack):
        first = stack.platform.restart("access", 1)
        await until_another(stack, before)
        second = await stack.restart_role("access", timeout_seconds=60)
    assert second != first
    assert revisions(stack) == {second}


async def test_a_stack_that_goes_down_in_mid_rollout_leaves_no_process_behind() -> None:
    async with Stack.start(SPEC) as stack:
        seen = [Identity.of(pid) for pid in stack.server_pids().values()]
        stack.platform.restart("access", 2)
        await until_another(stack, access(stack))
        seen += [Identity.of(pid) for pid in stack.server_pids().values()]
        began = time.monotonic()
    assert time.monotonic() - began < 20
    assert not any(process.is_alive for process in seen)
