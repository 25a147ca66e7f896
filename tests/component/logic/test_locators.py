"""Where users are: read in the directory's Redis, or asked of a Router, with the same answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from services.logic.adapters.locator_grpc import GrpcLocator
from services.logic.adapters.locator_redis import RedisLocator
from services.logic.domain.signals import Whereabout
from services.router.adapters.directory_redis import RedisDirectory
from services.router.bootstrap import SERVICE
from services.router.settings import RouterSettings
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.route import REGISTRY_ID_KEY, route_key
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.servers import running_service


def session(user: str, pod: str, **fields: Any) -> router_pb2.Session:
    one = router_pb2.Session(
        user_id=user,
        device_id="phone",
        pod_id=pod,
        incarnation="run",
        instance_id="app",
        attempt=1,
        platform="ios",
    )
    for name, value in fields.items():
        setattr(one, name, value)
    return one


class World:
    """A Router, its Redis, and somebody who counts what the Router is asked."""

    def __init__(self, redis: Redis, asked: GrpcLocator) -> None:
        self.redis = redis
        self.directory = RedisDirectory(redis, lease_seconds=10, route_seconds=60)
        self.router = asked
        self.asked = 0
        self.registry_id: str | None = None
        locate, whereabouts = asked.locate, asked.whereabouts

        async def counted_locate(users: Any) -> Any:
            self.asked += 1
            return await locate(users)

        async def counted_whereabouts(users: Any) -> Any:
            self.asked += 1
            return await whereabouts(users)

        asked.locate = counted_locate  # type: ignore[method-assign]
        asked.whereabouts = counted_whereabouts  # type: ignore[method-assign]
        self.reader = RedisLocator(redis, asked, lambda: self.registry_id)

    async def register(self) -> None:
        pod = router_pb2.Pod(pod_id="logic-0", incarnation="run", role=router_pb2.POD_ROLE_LOGIC)
        self.registry_id = (await self.directory.register(pod)).registry_id


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(RedisSettings(url=redis_url)))
        settings = RouterSettings(redis=RedisSettings(url=redis_url))
        chassis = await stack.enter_async_context(running_service(SERVICE, settings))
        channel = await stack.enter_async_context(open_channel(chassis.address))
        router = GrpcLocator(router_pb2_grpc.RouterServiceStub(channel))
        stack.callback(router.close)
        world = World(redis, router)
        await world.register()
        yield world


async def test_both_ways_name_the_same_pods(world: World) -> None:
    (epoch,) = [one.epoch for one in await world.directory.attach([session("alice", "access-0")])]
    await world.directory.attach(
        [
            session("alice", "access-1", ticket_epoch=epoch),  # moves: left at access-0
            session("bob", "access-1"),
            session("bob", "access-1", device_id="tablet", instance_id="other"),
            session("carol", "access-0", platform_limit=1),
            session("carol", "access-1", platform_limit=1, device_id="new", instance_id="other"),
        ]
    )
    users = ["alice", "bob", "carol", "dave"]
    read = await world.reader.locate(users)
    whereabouts = await world.reader.whereabouts(users)
    assert world.asked == 0
    asked = await world.router.locate(users)
    assert {user: set(pods) for user, pods in read.items()} == {
        user: set(pods) for user, pods in asked.items()
    }
    assert {user: set(pods) for user, pods in read.items()} == {
        "alice": {"access-0", "access-1"},
        "bob": {"access-1"},
        "carol": {"access-1"},
        "dave": set(),
    }
    assert whereabouts == await world.router.whereabouts(users)
    assert whereabouts["alice"] == [Whereabout("access-1", "ios")]


async def test_a_redis_that_is_not_the_directorys_is_never_believed(world: World) -> None:
    """Its missing routes would make everybody offline."""
    await world.directory.attach([session("bob", "access-1")])
    world.registry_id = "another life, or another Redis"
    assert await world.reader.locate(["bob"]) == {"bob": ["access-1"]}
    assert await world.reader.whereabouts(["bob"]) == {"bob": [Whereabout("access-1", "ios")]}
    assert world.asked == 2


async def test_before_the_first_registration_the_router_is_asked(world: World) -> None:
    await world.directory.attach([session("bob", "access-1")])
    world.registry_id = None
    assert await world.reader.locate(["bob"]) == {"bob": ["access-1"]}
    assert world.asked == 1


async def test_a_flushed_directory_is_the_routers_to_judge_until_both_name_its_new_life(
    world: World,
) -> None:
    await world.redis.flushall()
    assert await world.reader.locate(["bob"]) == {"bob": []}
    assert world.asked == 1
    await world.register()
    await world.directory.attach([session("bob", "access-1")])
    assert await world.reader.locate(["bob"]) == {"bob": ["access-1"]}
    assert world.asked == 1


async def test_a_route_of_a_newer_router_is_asked_of_the_router(world: World) -> None:
    await world.directory.attach([session("bob", "access-1")])
    await world.redis.hset(route_key("bob"), "watch", "a|shape|of|the|future")

    async def answer(users: Sequence[str]) -> dict[str, list[str]]:
        return {"bob": ["access-7"]}

    world.router.locate = answer  # type: ignore[method-assign]
    assert await world.reader.locate(["bob"]) == {"bob": ["access-7"]}


async def test_without_redis_and_router_nobody_is_offline(redis_url: str) -> None:
    """Rule 11: it is unknown, and whoever asks tries again."""
    async with (
        open_redis(RedisSettings(url="redis://127.0.0.1:1/0")) as nowhere,
        open_channel("127.0.0.1:1") as channel,
    ):
        router = GrpcLocator(router_pb2_grpc.RouterServiceStub(channel), timeout_seconds=0.5)
        reader = RedisLocator(nowhere, router, lambda: "some life")
        with pytest.raises(WhimbrelError) as error:
            await reader.locate(["bob"])
    assert error.value.code is ErrorCode.UNAVAILABLE


async def test_a_router_that_knows_no_stream_is_asked_by_calls() -> None:
    asked: list[list[str]] = []

    async def locate(request: router_pb2.LocateRequest, _: Any) -> router_pb2.LocateResponse:
        asked.append(list(request.user_ids))
        here = router_pb2.UserRoutes(routes=[router_pb2.Route(pod_id="access-0")])
        return router_pb2.LocateResponse(users=[here for _ in request.user_ids])

    handler = grpc.unary_unary_rpc_method_handler(
        locate,
        request_deserializer=router_pb2.LocateRequest.FromString,
        response_serializer=router_pb2.LocateResponse.SerializeToString,
    )
    server = grpc.aio.server()
    name = router_pb2.DESCRIPTOR.services_by_name["RouterService"].full_name
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(name, {"Locate": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            locator = GrpcLocator(router_pb2_grpc.RouterServiceStub(channel))
            assert await locator.locate(["bob"]) == {"bob": ["access-0"]}
            assert await locator.locate(["dave"]) == {"dave": ["access-0"]}
    finally:
        await server.stop(None)
    assert asked == [["bob"], ["dave"]]


async def test_the_directory_names_its_life_where_it_is_looked_for(world: World) -> None:
    named: Any = await world.redis.get(REGISTRY_ID_KEY)
    assert named.decode() == world.registry_id
