"""Bare grpc.aio, for comparison: streams that echo bytes, and nothing else around them.

`python -m bench.bare_wire` reads one line of JSON from standard input.

    {}                  the server: prints its port, and serves until it is killed
    a WirePlan          the client: prints a WireResult when it has measured; with `hold` it keeps
                        its streams open until another line comes

The server has the options of an Access pod and its event loop; what differs from Access is only
that no frame is parsed, ordered, stored or routed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

import grpc
import uvloop

from bench import collector
from whimbrel.runtime.channels import server_options

_METHOD = "/whimbrel.bench.Bare/Echo"
_OPEN_SECONDS = 60.0


@dataclass(frozen=True)
class WirePlan:
    """What the client does."""

    address: str
    streams: int
    """Each over a connection of its own, as clients have them."""
    at_once: int
    """Attaches under way at a time."""
    in_flight: int = 8
    """Frames of one stream under way."""
    seconds: float = 2.0
    """Of echoes; 0 only attaches."""
    frame_bytes: int = 100
    hold: bool = False


@dataclass(frozen=True)
class WireResult:
    """What it saw."""

    attach_seconds: float
    """From the first connect until each stream has had its first echo."""
    frames: int
    """Echoes after that: each is one frame in and one out."""
    seconds: float


async def serve() -> None:
    """Echo, until killed."""
    server = grpc.aio.server(options=server_options(client_facing=True))
    handler: Any = grpc.stream_stream_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("whimbrel.bench.Bare", {"Echo": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    collector.rest()
    print(port, flush=True)  # noqa: T201 - the protocol with the parent
    await server.wait_for_termination()


async def _echo(frames: AsyncIterator[bytes], context: Any) -> None:
    async for frame in frames:
        await context.write(frame)


async def measure(plan: WirePlan) -> WireResult:
    """Attach all streams, then keep all of them busy."""
    body = b"x" * plan.frame_bytes
    gate = asyncio.Semaphore(plan.at_once)
    async with AsyncExitStack() as stack:

        async def attach() -> Any:
            async with gate:
                channel = await stack.enter_async_context(
                    grpc.aio.insecure_channel(
                        plan.address, options=[("grpc.use_local_subchannel_pool", 1)]
                    )
                )
                call: Any = channel.stream_stream(_METHOD)()
                await call.write(body)
                await call.read()
                return call

        began = time.monotonic()
        async with asyncio.timeout(_OPEN_SECONDS):
            calls = await asyncio.gather(*(attach() for _ in range(plan.streams)))
        attached = time.monotonic()
        ends = attached + plan.seconds
        frames = 0
        if plan.seconds:
            collector.rest()
            frames = sum(await asyncio.gather(*(_busy(one, body, plan, ends) for one in calls)))
        result = WireResult(attached - began, frames, time.monotonic() - attached)
        if plan.hold:
            _say(result)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        for call in calls:
            await call.done_writing()
    return result


async def _busy(call: Any, body: bytes, plan: WirePlan, ends: float) -> int:
    """One stream with `in_flight` frames under way; how many came back before the end."""
    for _ in range(plan.in_flight):
        await call.write(body)
    count = 0
    while time.monotonic() < ends:
        await call.read()
        await call.write(body)
        count += 1
    return count


def _say(result: WireResult) -> None:
    print(json.dumps(asdict(result)), flush=True)  # noqa: T201 - the protocol with the parent


def main() -> None:
    """See the module."""
    raw = json.loads(sys.stdin.readline())
    if not raw:
        uvloop.run(serve())
        return
    plan = WirePlan(**raw)
    result = uvloop.run(measure(plan))
    if not plan.hold:
        _say(result)


if __name__ == "__main__":
    main()
