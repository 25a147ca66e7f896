"""PushService: what an operator does by hand, through gRPC on real stores."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import grpc
import pytest

from services.gateway.adapters.device_store_mongo import MongoDeviceStore as GatewayDevices
from services.gateway.domain.accounts import Device
from services.push.adapters.dead_letters_redis import RedisDeadLetters
from services.push.adapters.wake_queue_redis import RedisWakeQueue
from services.push.bootstrap import SERVICE
from services.push.domain.wakes import Wake
from services.push.provider_settings import WebhookProviderSettings
from services.push.settings import PushSettings
from services.push.wake_ports import DeadLetter
from tests.stores import own_stores
from tests.waiting import until
from whimbrel.api.push.v1 import push_pb2
from whimbrel.api.push.v1.push_pb2_grpc import PushServiceStub
from whimbrel.core.errors import ErrorCode
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.errors import error_from_rpc
from whimbrel.runtime.settings import MongoSettings, PodSettings, RedisSettings, RouterTarget
from whimbrel.testing.push_providers.http_server import HttpReply
from whimbrel.testing.push_providers.web_servers import SECRET, WebhookServer, running_webhook
from whimbrel.testing.servers import running_service


class World(NamedTuple):
    stub: PushServiceStub
    hooks: WebhookServer
    devices: GatewayDevices
    letters: RedisDeadLetters
    wakes: RedisWakeQueue


@pytest.fixture
async def world(
    redis_url: str, mongo_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    secret = tmp_path_factory.mktemp("keys") / "webhook"
    secret.write_text(SECRET)
    async with AsyncExitStack() as stack:
        redis, database = await stack.enter_async_context(own_stores(redis_url, mongo_url))
        settings = PushSettings(
            pod=PodSettings(grace_seconds=2.0),
            mongo=MongoSettings(url=mongo_url, database=database.name),
            redis=RedisSettings(url=redis_url),
            router=RouterTarget(addresses="127.0.0.1:1"),
            webhook=WebhookProviderSettings(secret_file=secret, allows_private_networks=True),
        )
        hooks = await stack.enter_async_context(running_webhook())
        chassis = await stack.enter_async_context(running_service(SERVICE, settings))
        channel = await stack.enter_async_context(open_channel(chassis.address))
        devices = GatewayDevices(database)
        await devices.prepare()
        wakes = RedisWakeQueue(redis)
        yield World(PushServiceStub(channel), hooks, devices, RedisDeadLetters(redis), wakes)


def letter(seq: int, at_ms: int) -> DeadLetter:
    wake = Wake("bob", "pc", "d:alice:bob", "alice", (1 << 60) + seq, seq, at_ms, 11)
    return DeadLetter("", "webhook", "status 500", wake, at_ms)


async def test_a_test_says_what_each_provider_made_of_it_and_nothing_follows(world: World) -> None:
    await world.devices.put(Device("bob", "pc", "linux", "webhook", f"{world.hooks.url}/pc", 1))
    await world.devices.put(Device("bob", "gone", "linux", "webhook", f"{world.hooks.url}/gone", 1))
    await world.devices.put(Device("bob", "phone", "ios", "apns", "aa", 1))
    default = world.hooks.answer
    world.hooks.answer = lambda path: HttpReply(410) if path == "/gone" else default(path)
    answer = await world.stub.TestPush(push_pb2.TestPushRequest(user_id="bob"))
    assert [(one.device_id, one.outcome, one.reason) for one in answer.devices] == [
        ("gone", "dead_token", "status 410"),
        ("pc", "delivered", ""),
        ("phone", "unroutable", ""),
    ]
    assert all(one.push_token for one in await world.devices.list("bob"))
    one = await world.stub.TestPush(push_pb2.TestPushRequest(user_id="bob", device_id="pc"))
    assert [device.device_id for device in one.devices] == ["pc"]
    nobody = await world.stub.TestPush(push_pb2.TestPushRequest(user_id="carol"))
    assert not nobody.devices


async def test_dead_letters_are_listed_and_sent_when_they_are_retried(world: World) -> None:
    now_ms = round(time.time() * 1000)
    await world.devices.put(Device("bob", "pc", "linux", "webhook", f"{world.hooks.url}/pc", 1))
    await world.letters.add([letter(1, now_ms), letter(2, now_ms)])
    listed = await world.stub.ListDeadLetters(push_pb2.ListDeadLettersRequest(limit=10))
    assert listed.total == 2
    assert [(one.seq, one.reason, one.tries) for one in listed.letters] == [
        (2, "status 500", 11),
        (1, "status 500", 11),
    ]
    ids = [one.letter_id for one in listed.letters]
    request = push_pb2.RetryDeadLettersRequest(letter_ids=ids)
    assert (await world.stub.RetryDeadLetters(request)).retried == 2
    assert (await world.stub.RetryDeadLetters(request)).retried == 0
    await until(lambda: world.hooks.events)
    ((_, event),) = world.hooks.events
    assert event["data"]["seq"] == "2", "the newest of the conversation"

    async def is_settled() -> bool:
        return await world.wakes.length("webhook") == 0

    await until(is_settled)
    assert await world.letters.length() == 0


async def test_a_request_that_is_none_is_refused(world: World) -> None:
    stub = world.stub
    for call in (
        stub.TestPush(push_pb2.TestPushRequest()),
        stub.ListDeadLetters(push_pb2.ListDeadLettersRequest()),
        stub.ListDeadLetters(push_pb2.ListDeadLettersRequest(limit=501)),
        stub.ListDeadLetters(push_pb2.ListDeadLettersRequest(limit=1, before="nonsense")),
        stub.RetryDeadLetters(push_pb2.RetryDeadLettersRequest()),
        stub.RetryDeadLetters(push_pb2.RetryDeadLettersRequest(letter_ids=["nonsense"])),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert error_from_rpc(raised.value).code is ErrorCode.INVALID_ARGUMENT
