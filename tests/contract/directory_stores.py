"""Both kinds of Directory for the contract suites, and the sessions that they attach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from services.router.adapters.directory_redis import RedisDirectory
from services.router.ports import Directory
from tests.waiting import until
from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.memory_directory import MemoryDirectory

LEASE_SECONDS = 10.0
ROUTE_SECONDS = 60.0
LEASE_SHORT_SECONDS = 1.0


class Store:
    """One kind of store, and what a test may do to it from outside."""

    def __init__(
        self,
        make: Callable[[float, float], Directory],
        flush: Callable[[], Awaitable[object]],
        now_ms: Callable[[], Awaitable[int]],
        let_pass: Callable[[float], Awaitable[None]],
        unreachable: Callable[[], Directory],
    ) -> None:
        self.make = make
        self.flush = flush
        self.now_ms = now_ms
        self.let_pass = let_pass
        self.unreachable = unreachable


def memory_store() -> Store:
    clock = [1_800_000_000_000]
    made: list[MemoryDirectory] = []

    def make(lease: float, route: float) -> Directory:
        made.append(MemoryDirectory(lambda: clock[0], lease_seconds=lease, route_seconds=route))
        return made[-1]

    def unreachable() -> Directory:
        directory = MemoryDirectory(lambda: clock[0])
        directory.away = True
        return directory

    async def flush() -> None:
        for directory in made:
            directory.flush()

    async def now_ms() -> int:
        return clock[0]

    async def let_pass(seconds: float) -> None:
        clock[0] += round(seconds * 1000)

    return Store(make, flush, now_ms, let_pass, unreachable)


async def redis_store(url: str, stack: AsyncExitStack) -> Store:
    redis: Redis = await stack.enter_async_context(open_redis(RedisSettings(url=url)))
    nowhere: Redis = await stack.enter_async_context(
        open_redis(RedisSettings(url="redis://127.0.0.1:1/0"))
    )

    def make(lease: float, route: float) -> Directory:
        return RedisDirectory(redis, lease_seconds=lease, route_seconds=route)

    def unreachable() -> Directory:
        return RedisDirectory(nowhere, lease_seconds=LEASE_SECONDS, route_seconds=ROUTE_SECONDS)

    async def now_ms() -> int:
        seconds, micros = await redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def let_pass(seconds: float) -> None:
        end = await now_ms() + seconds * 1000

        async def is_over() -> bool:  # Redis's own clock is the only one that counts
            return await now_ms() > end

        await until(is_over)

    return Store(make, redis.flushdb, now_ms, let_pass, unreachable)


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield memory_store()
        else:
            yield await redis_store(request.getfixturevalue("redis_url"), stack)


@pytest.fixture
def directory(store: Store) -> Directory:
    return store.make(LEASE_SECONDS, ROUTE_SECONDS)


def pod(name: str, incarnation: str = "run1", sessions: int = 0) -> router_pb2.Pod:
    return router_pb2.Pod(
        pod_id=name,
        incarnation=incarnation,
        role=router_pb2.POD_ROLE_ACCESS,
        state=router_pb2.POD_STATE_ACTIVE,
        address="127.0.0.1:1",
        sessions=sessions,
    )


def session(
    user: str = "alice",
    device: str = "phone",
    *,
    pod: str = "access-0",
    instance: str = "app1",
    attempt: int = 1,
    epoch: int = 0,
) -> router_pb2.Session:
    return router_pb2.Session(
        user_id=user,
        device_id=device,
        pod_id=pod,
        incarnation=f"{pod}-run",
        instance_id=instance,
        attempt=attempt,
        epoch=epoch,
    )


async def routes(directory: Directory, user: str = "alice") -> dict[str, tuple[str, int]]:
    """Where each device is; what it has just left is `left`'s."""
    (located,) = await directory.locate([user])
    return {
        route.device_id: (route.pod_id, route.epoch)
        for route in located.routes
        if not route.is_left
    }


async def left(directory: Directory, user: str = "alice") -> list[router_pb2.Route]:
    """What its devices have just left."""
    (located,) = await directory.locate([user])
    return [route for route in located.routes if route.is_left]
