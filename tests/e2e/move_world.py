"""Two Access pods, a crowd on both, and Bob's device, which says only what the test says.

The table in docs/operations/drain.md says which fault is held by which test: of clients and time in
test_move_faults, of stores in test_move_store_faults; the pods' own deaths are in
test_pods_come_and_go.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.component.access.access_world import ScriptedClient, ack
from tests.e2e.e2e_world import crowd_of
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import connect
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd

BOB = "bob"


@asynccontextmanager
async def world(users: int = 12, **spec: Any) -> AsyncIterator[tuple[Stack, Crowd]]:
    """Two Access pods without a controller, and a crowd on both."""
    made = StackSpec(**{"access": 2, "logic": 1, "push": 0, "gateway": 0, "drain": 0, **spec})
    async with Stack.start(made) as stack, crowd_of(stack, users, seed=11) as crowd:
        yield stack, crowd


@asynccontextmanager
async def device(
    endpoint: str, stack: Stack, cursor: int, **hello: Any
) -> AsyncIterator[tuple[ScriptedClient, access_pb2.Welcome]]:
    """Bob's device, which says only what the test says."""
    client = ScriptedClient(endpoint)
    async with client.channel:
        token = stack.token(BOB)
        yield client, await client.attach(BOB, cursor=cursor, token=token, **hello)


async def replaced(stack: Stack, name: str, number: int = signal.SIGTERM) -> None:
    """Tell a pod to end, and wait until another process has taken its place."""
    starts = stack.starts(name)
    await stack.kill(name, number)
    await until(lambda: stack.starts(name) > starts)
    await stack.wait_healthy(60, name)


async def tell_bob(stack: Stack, count: int) -> None:
    """So many messages, in turn."""
    async with connect(stack.endpoints[0], stack.token("alice"), device="desk") as alice:
        for number in range(count):
            await alice.send(BOB, f"message {number}")


async def read_to(client: ScriptedClient, last: int, into: list[int]) -> None:
    """Take and acknowledge what is delivered, up to a seq."""
    while not into or into[-1] < last:
        into += await client.seqs(1)
        await client.say(ack(into[-1]))
