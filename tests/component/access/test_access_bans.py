"""An address that connects too often: who is kept out, who is not, and who hears of it."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from bench.abuse_load import opening_bytes
from tests.component.access.access_world import PING, World, access_world
from tests.scraping import scrape, value
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2

BAD = "127.0.0.2"
SHELL: dict[str, Any] = {"connects_per_second": 30, "ban_seconds": 60.0}
_SECONDS = 0.3
"""A connect on one machine takes a tenth of a millisecond."""


@contextmanager
def connection(world: World, source: str) -> Iterator[socket.socket | None]:
    """A TCP connection from `source`, open meanwhile; None when nobody answers."""
    host, _, port = world.chassis.address.rpartition(":")
    with socket.socket() as own:
        own.bind((source, 0))
        own.settimeout(_SECONDS)
        try:
            own.connect((host, int(port)))
        except TimeoutError:
            yield None
            return
        yield own


def connects(world: World, source: str) -> bool:
    """Whether a TCP connect from `source` comes through."""
    with connection(world, source) as own:
        return own is not None


async def banned(world: World, source: str) -> None:
    """Until nobody comes through from there; each try is one more bare connect."""

    async def is_out() -> bool:
        return not await asyncio.to_thread(connects, world, source)

    await until(is_out)


async def test_bare_connects_get_an_address_banned_and_nobody_else(tmp_path: Path) -> None:
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=SHELL) as world:
        before = await world.attached("alice")
        with connection(world, BAD) as was_in_time:
            await banned(world, BAD)
            assert was_in_time
        assert connects(world, "127.0.0.3")
        await world.attached("bob")
        await before.say(PING)
        await before.next("pong")
        shown = await scrape(world.chassis.metrics_address)
        assert value(shown, "whimbrel_access_bans_total") == 1
        assert value(shown, "whimbrel_access_bans_active") == 1


async def test_connects_that_stay_open_without_a_stream_count_before_they_end(
    tmp_path: Path,
) -> None:
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=SHELL) as world:
        with ExitStack() as stack:
            for _ in range(3 * SHELL["connects_per_second"]):
                own = stack.enter_context(connection(world, BAD))
                assert own is not None
                own.sendall(opening_bytes(0))  # HTTP/2 begins, and no call is made

            async def is_banned() -> bool:
                shown = await scrape(world.chassis.metrics_address)
                return value(shown, "whimbrel_access_bans_total") == 1

            await until(is_banned, seconds=15.0)  # gRPC ends them after 20
            assert not connects(world, BAD)
            assert connects(world, "127.0.0.3")


async def test_a_pod_that_has_stopped_refuses_the_banned_too(tmp_path: Path) -> None:
    async with access_world(tmp_path, shell=SHELL) as world:
        await banned(world, BAD)
    with socket.socket() as own:
        own.bind((BAD, 0))
        own.settimeout(_SECONDS)
        host, _, port = world.chassis.address.rpartition(":")
        assert own.connect_ex((host, int(port))) == errno.ECONNREFUSED


async def test_a_ban_ends_by_itself(tmp_path: Path) -> None:
    async with access_world(tmp_path, shell={**SHELL, "ban_seconds": 0.5}) as world:
        await banned(world, BAD)

        async def is_in() -> bool:
            return await asyncio.to_thread(connects, world, BAD)

        await until(is_in)


async def test_who_is_trusted_may_connect_as_often_as_it_likes(tmp_path: Path) -> None:
    shell = {**SHELL, "trusted": ["127.0.0.2/32"]}
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=shell) as world:
        for _ in range(100):
            assert await asyncio.to_thread(connects, world, BAD)
        await banned(world, "127.0.0.3")
        assert connects(world, BAD)
        shown = await scrape(world.chassis.metrics_address)
        assert value(shown, "whimbrel_access_bans_total") == 1


async def test_connections_with_a_stream_count_once_and_calls_on_one_count_too(
    tmp_path: Path,
) -> None:
    shell = {**SHELL, "connects_per_second": 20}
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=shell) as world:

        async def bans() -> float | None:
            shown = await scrape(world.chassis.metrics_address)
            return value(shown, "whimbrel_access_bans_total")

        named = await world.attached("bob")
        for _ in range(12):
            client = await world.client()
            await client.say(access_pb2.ConnectRequest(bye=access_pb2.Bye()))
            await client.closed()
            await client.channel.close()
        assert await bans() == 0
        client = await world.client()

        async def call_for_ever() -> None:
            while True:
                call = client.stub.Connect()
                await call.write(PING)
                await call.read()

        with pytest.raises(grpc.aio.AioRpcError):  # on one connection, which is cut in the end
            await call_for_ever()
        assert await bans() == 1
        await named.say(PING)  # who has said who it is stays
        await named.next("pong")


async def test_a_ban_behind_a_trusted_proxy_is_told_on_the_stream(tmp_path: Path) -> None:
    shell = {**SHELL, "trusted": ["127.0.0.1/32"], "real_address_header": "x-forwarded-for"}
    async with access_world(tmp_path, shell=shell) as world:

        async def told(address: str) -> access_pb2.Close:
            client = await world.client()
            call = client.stub.Connect(metadata=(("x-forwarded-for", address),))
            await call.write(PING)
            frame = await call.read()
            await client.channel.close()
            assert isinstance(frame, access_pb2.ConnectResponse)
            return frame.close

        async def is_banned() -> bool:
            close = await told("203.0.113.1, 192.0.2.7")
            return close.code == access_pb2.CLOSE_CODE_RATE_LIMITED

        await until(is_banned)
        assert (await told("192.0.2.7, 192.0.2.8")).code == access_pb2.CLOSE_CODE_HELLO_EXPECTED


async def test_pods_share_their_bans_also_through_a_redis_that_was_flushed(
    tmp_path: Path, redis_url: str
) -> None:
    def pod() -> AbstractAsyncContextManager[World]:
        return access_world(
            tmp_path, metrics_listen="127.0.0.1:0", shell=SHELL, redis_url=redis_url
        )

    async def has_heard(world: World) -> bool:
        shown = await scrape(world.chassis.metrics_address)
        assert value(shown, "whimbrel_access_bans_total") == 0, "nobody has connected here"
        return value(shown, "whimbrel_access_bans_active") == 1

    async with pod() as one, pod() as other, Redis.from_url(redis_url) as redis:
        for _ in range(2 * SHELL["connects_per_second"]):
            await asyncio.to_thread(connects, one, BAD)
        await until(lambda: has_heard(other))
        await redis.flushall()
        async with pod() as later:
            await until(lambda: has_heard(later))
