"""A phone that is offline, Apple's servers on this machine, and everything in between."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from services.push.bootstrap import SERVICE
from services.push.provider_settings import ApnsSettings
from services.push.settings import PushSettings
from tests.waiting import until
from whimbrel.client import Client, connect
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.settings import MongoSettings, PodSettings, RedisSettings, RouterTarget
from whimbrel.testing.push_providers.apns_server import OK, ApnsServer, Reply, running_apns
from whimbrel.testing.push_providers.certificates import make_certificate, make_key
from whimbrel.testing.servers import running_service

pytestmark = pytest.mark.timeout(180)

DUE = "push:{jobs}:due:apns"


class World:
    """A stack, a push pod before an APNs, Alice who writes, and Bob's phone."""

    def __init__(self, stack: Stack, apns: ApnsServer, alice: Client, redis: Redis) -> None:
        self.stack = stack
        self.apns = apns
        self.alice = alice
        self.redis = redis
        self.http = httpx.AsyncClient(
            base_url=stack.gateway_url,
            headers={"authorization": f"Bearer {stack.token('bob')}"},
            trust_env=False,
        )

    def phone(self) -> Client:
        return connect(self.stack.endpoints, self.stack.token("bob"), device="phone")

    async def register_phone(self) -> str:
        """A push token of the phone, a new one each time."""
        token = secrets.token_hex(32)
        body = {"platform": "ios", "push": {"provider": "apns", "token": token}}
        answer = await self.http.put("/v1/devices/phone", json=body)
        answer.raise_for_status()
        return token

    async def provider_of_the_phone(self) -> str:
        (device,) = (await self.http.get("/v1/devices")).json()
        return str(device["push_provider"])

    async def waits(self) -> bool:
        return await self.redis.zcard(DUE) > 0

    async def nothing_waits(self) -> bool:
        return not await self.redis.exists(DUE, "push:{jobs}") or (
            await self.redis.zcard(DUE) == 0 and await self.redis.xlen("push:{jobs}") == 0
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as exits:
        stack = await exits.enter_async_context(Stack.start(StackSpec(push=0, drain=0)))
        certificate = make_certificate(tmp_path)
        key = tmp_path / "key.p8"
        apns = ApnsServer(make_key(key), "ABCDEFGHIJ", "TEAM123456", "org.example.app")
        await exits.enter_async_context(running_apns(apns, certificate.server_context(["h2"])))
        settings = PushSettings(
            pod=PodSettings(grace_seconds=2.0),
            mongo=MongoSettings(url=stack.mongo_url),
            redis=RedisSettings(url=stack.redis_url),
            router=RouterTarget(addresses=stack.router_addresses),
            apns=ApnsSettings(
                key_file=key,
                key_id=apns.key_id,
                team_id=apns.team_id,
                topic=apns.topic,
                host="127.0.0.1",
                port=apns.port,
                ca_file=certificate.certificate,
            ),
        )
        await exits.enter_async_context(running_service(SERVICE, settings))
        alice = await exits.enter_async_context(
            connect(stack.endpoints, stack.token("alice"), device="desk")
        )
        redis = await exits.enter_async_context(Redis.from_url(stack.redis_url))
        made = World(stack, apns, alice, redis)
        exits.push_async_callback(made.http.aclose)
        async with made.phone():
            pass  # it was there once: it has a cursor
        yield made


async def hear(phone: Client, heard: list[str | None]) -> None:
    """Take whatever comes; asking for the next message acknowledges the one before."""
    async for event in phone.events():
        heard.append(event.text)


async def test_a_phone_that_is_away_is_woken_and_one_that_is_back_is_not(world: World) -> None:
    token = await world.register_phone()
    for number in range(3):
        await world.alice.send("bob", f"hello {number}")
    await until(lambda: world.apns.pushes)
    await until(world.nothing_waits)
    (push,) = world.apns.pushes
    assert push.device_token == token
    assert push.badge == 3
    assert push.payload["aps"]["alert"] == {"title": "alice", "body": "New message (3)"}
    assert push.headers["apns-collapse-id"] == "d:alice:bob"
    assert "hello" not in str(push.payload)

    await world.alice.send("bob", "are you there?")
    await until(world.waits)
    heard: list[str | None] = []
    async with world.phone() as phone:
        hearing = asyncio.create_task(hear(phone, heard))
        await until(world.nothing_waits)
    await hearing
    assert heard == ["hello 0", "hello 1", "hello 2", "are you there?"]
    assert len(world.apns.pushes) == 1, "the acknowledgement took the second one back"


async def test_a_dead_token_is_removed_and_a_new_one_is_used(world: World) -> None:
    dead = await world.register_phone()
    world.apns.answer = lambda token, _count: Reply(410, "Unregistered") if token == dead else OK
    await world.alice.send("bob", "hello")

    async def is_removed() -> bool:
        return not await world.provider_of_the_phone()

    await until(is_removed)
    assert world.apns.asked == {dead: 1}
    token = await world.register_phone()
    await world.alice.send("bob", "hello again")
    await until(lambda: world.apns.pushes)
    assert world.apns.pushes[0].device_token == token


async def test_a_flushed_redis_brings_back_the_notifications_that_waited(world: World) -> None:
    await world.register_phone()
    await world.alice.send("bob", "hello")
    await until(world.waits)
    await world.redis.flushall()
    assert world.apns.pushes == []
    await until(lambda: world.apns.pushes)
    (push,) = world.apns.pushes
    assert push.payload["whimbrel"]["sender_id"] == "alice"
    assert push.badge in (None, 1), "a wrong one never"
