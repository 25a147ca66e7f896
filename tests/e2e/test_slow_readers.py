"""A slow reader costs its own latency, never the pod's memory (promise 6)."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import grpc
import psutil
import pytest

from tests.waiting import Every, until
from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.client import Client, connect
from whimbrel.local.stack import Stack, StackSpec

DEAF = 200
GROUPS = 4
BODY = b"x" * (64 * 1024 - 64)
MAX_GROWTH_BYTES = 150 * 1024 * 1024


async def open_and_never_read(stack: Stack, user: str, hold: AsyncExitStack) -> None:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
    channel = await hold.enter_async_context(
        grpc.aio.insecure_channel(stack.endpoints[0], options=options)
    )
    call = access_pb2_grpc.AccessServiceStub(channel).Connect()
    hold.callback(call.cancel)
    hello = access_pb2.Hello(
        protocol_version=1,
        token=stack.token(user),
        device_id="deaf",
        instance_id="deaf",
        attempt=1,
        cursor=0,
    )
    await call.write(access_pb2.ConnectRequest(hello=hello))


async def flood(alice: Client, groups: list[str], seconds: float, rss: list[int], pid: int) -> int:
    """Bodies of the largest size to everybody, 20 a second; the pod's memory once a second."""
    sent = 0
    end = time.monotonic() + seconds
    process = psutil.Process(pid)
    async for _ in Every(len(groups) / 20):
        if time.monotonic() >= end:
            break
        await asyncio.gather(*(alice.send_to(group, BODY) for group in groups))
        sent += len(groups)
        rss.append(process.memory_info().rss)
    return sent


@pytest.mark.parametrize(
    "seconds",
    [30.0, pytest.param(600.0, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
async def test_clients_that_never_read_cost_the_pod_a_bounded_memory(seconds: float) -> None:
    spec = StackSpec(gateway=0, drain=0)
    async with Stack.start(spec) as stack, AsyncExitStack() as hold:
        names = [f"deaf-{number}" for number in range(DEAF)]
        for user in names:
            await open_and_never_read(stack, user, hold)
        alice = await hold.enter_async_context(
            connect(stack.endpoints, stack.token("alice"), device="d")
        )
        bob = await hold.enter_async_context(
            connect(stack.endpoints, stack.token("bob"), device="d")
        )
        share = DEAF // GROUPS
        groups = [
            await alice.create_group(["bob", *names[number * share : (number + 1) * share]])
            for number in range(GROUPS)
        ]
        pid = stack.pid("access-0")
        rss = [psutil.Process(pid).memory_info().rss]
        got = 0

        async def listen() -> None:
            nonlocal got
            async for _ in bob.events():
                got += 1

        listening = asyncio.create_task(listen())
        sent = await flood(alice, groups, seconds, rss, pid)
        await until(lambda: got >= sent)
        listening.cancel()
        assert sent * len(BODY) // GROUPS > 10 * 256 * 1024, "each got many windows' worth"
        assert max(rss) - rss[0] <= MAX_GROWTH_BYTES, f"{(max(rss) - rss[0]) >> 20} MiB more"
        assert stack.pid("access-0") == pid
