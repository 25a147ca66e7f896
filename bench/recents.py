"""How long a device that pulls waits for what it has missed, over HTTP and of Logic alone.

A stack of its own with one Logic; messages are put in by the ordinary way, over a link, and
nobody is online. One call after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPConnection

from bench.figures import percentile
from bench.filling import fill, logic_address, send
from whimbrel.api.history.v1 import history_pb2 as pb
from whimbrel.api.history.v1 import history_pb2_grpc
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings

USER = "reader"
WAIT_SECONDS = 60.0
WARM_UP = 5

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class RecentsWorkload:
    """What is measured."""

    conversations: int = 100
    messages: int = 1000
    """Undelivered in all, spread evenly."""
    body_bytes: int = 100
    calls: int = 100


@dataclass(frozen=True)
class RecentsFigures:
    """One run; milliseconds a call, as the caller waits."""

    conversations: int
    messages: int
    calls: int
    http_p50_ms: float
    """GET /v1/sessions/recent, every message in the cache, until the whole answer is there."""
    http_p99_ms: float
    cached_p50_ms: float
    """The same of Logic alone: PullRecent."""
    cached_p99_ms: float
    stored_p50_ms: float
    """PullRecent after the cache was emptied: everything from MongoDB."""
    stored_p99_ms: float
    list_p50_ms: float
    """ListConversations."""
    list_p99_ms: float
    rebuild_ms: float
    """PullRecent right after FLUSHALL, the rebuild included; once."""

    def as_json(self) -> dict[str, object]:
        """Flat; the keys are stable."""
        return asdict(self)


async def measure(workload: RecentsWorkload) -> RecentsFigures:
    """Run it once. Raises StackError when a part does not come up, TimeoutError when messages do
    not arrive."""
    async with (
        Stack.start(StackSpec(push=0, drain=0)) as stack,
        open_channel(await logic_address(stack)) as channel,
        open_redis(RedisSettings(url=stack.redis_url)) as client,
    ):
        stub = history_pb2_grpc.HistoryServiceStub(channel)
        await fill(channel, _sends(workload))

        async def pull() -> int:
            answer = await stub.PullRecent(
                pb.PullRecentRequest(caller_id=USER, conversations=200, messages=100)
            )
            return sum(len(one.entries) for one in answer.conversations)

        async def pull_all() -> None:
            found = await pull()
            if found != workload.messages:
                raise RuntimeError(f"{found} of {workload.messages} messages were pulled")

        async def list_all() -> None:
            await stub.ListConversations(pb.ListConversationsRequest(caller_id=USER, limit=100))

        async def forget() -> None:
            keys = [key async for key in client.scan_iter("message:*", count=1000)]
            if keys:
                await client.unlink(*keys)

        async with asyncio.timeout(WAIT_SECONDS):
            while await pull() < workload.messages:
                await asyncio.sleep(0.05)
        async with _http_pull(stack, workload.messages) as http_pull:
            over_http = await _timed(http_pull, workload.calls)
        cached = await _timed(pull_all, workload.calls)
        listed = await _timed(list_all, workload.calls)
        stored = await _timed(pull_all, max(10, workload.calls // 5), before=forget)
        await client.flushall()
        rebuild = await _timed(pull_all, 1, warm_up=0)
        return RecentsFigures(
            workload.conversations,
            workload.messages,
            workload.calls,
            *_p50_p99(over_http),
            *_p50_p99(cached),
            *_p50_p99(stored),
            *_p50_p99(listed),
            rebuild_ms=round(rebuild[0] / 1000, 2),
        )


async def _timed(
    call: Call,
    count: int,
    *,
    before: Call | None = None,
    warm_up: int = WARM_UP,
) -> list[int]:
    """Microseconds of each call, ascending."""
    taken = []
    for index in range(count + warm_up):
        if before is not None:
            await before()
        started = time.perf_counter()
        await call()
        if index >= warm_up:
            taken.append(round((time.perf_counter() - started) * 1e6))
    return sorted(taken)


def _p50_p99(taken: list[int]) -> tuple[float, float]:
    return (
        round(percentile(taken, 0.50) / 1000, 2),
        round(percentile(taken, 0.99) / 1000, 2),
    )


@asynccontextmanager
async def _http_pull(stack: Stack, expected: int) -> AsyncIterator[Call]:
    """One GET on a connection that is kept, in a thread of its own as a client would be."""
    connection = HTTPConnection(stack.gateway_url.removeprefix("http://"), timeout=WAIT_SECONDS)
    headers = {"authorization": f"Bearer {stack.token(USER)}"}

    def pull() -> None:
        connection.request(
            "GET", "/v1/sessions/recent?messages=100&conversations=200", None, headers
        )
        answer = connection.getresponse()
        found = answer.read().count(b'"client_message_id"')
        if answer.status != HTTPStatus.OK or found != expected:
            raise RuntimeError(f"{found} of {expected} messages were pulled ({answer.status})")

    try:
        yield lambda: asyncio.to_thread(pull)
    finally:
        connection.close()


def _sends(workload: RecentsWorkload) -> Iterator[logic_pb2.SendRequest]:
    """To the reader, from as many people as there are conversations."""
    for number in range(workload.messages):
        yield send(number, f"friend{number % workload.conversations}", USER, workload.body_bytes)
