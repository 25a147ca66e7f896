"""The long stream of attaches, of a whole Router over a real Redis."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest

from services.router.bootstrap import SERVICE
from services.router.settings import RouterSettings
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import ErrorCode
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.errors import error_from_rpc
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.servers import running_service


def attach(*users: str) -> router_pb2.AttachStreamRequest:
    sessions = [
        router_pb2.Session(
            user_id=user,
            device_id="phone",
            pod_id="access-0",
            incarnation="run",
            instance_id="app",
            attempt=1,
        )
        for user in users
    ]
    return router_pb2.AttachStreamRequest(attach=router_pb2.AttachRequest(sessions=sessions))


async def test_answers_come_in_order_and_what_a_call_would_refuse_ends_the_stream(
    redis_url: str,
) -> None:
    settings = RouterSettings(redis=RedisSettings(url=redis_url))
    async with (
        running_service(SERVICE, settings) as chassis,
        open_channel(chassis.address) as channel,
    ):
        stream = router_pb2_grpc.RouterServiceStub(channel).AttachStream()
        epochs = []
        for users in (("alice", "bob"), ("alice",)):
            await stream.write(attach(*users))
            answer = await stream.read()
            assert isinstance(answer, router_pb2.AttachStreamResponse)
            epochs.append([one.epoch for one in answer.attached.attachments])
        assert [len(one) for one in epochs] == [2, 1]
        assert epochs[1][0] > epochs[0][0] > 0
        await stream.write(attach("a|b"))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stream.read()
        assert error_from_rpc(error.value).code is ErrorCode.INVALID_ARGUMENT


async def test_a_stream_does_not_hold_up_a_router_that_stops(redis_url: str) -> None:
    settings = RouterSettings(redis=RedisSettings(url=redis_url))
    async with AsyncExitStack() as stack:
        chassis = await stack.enter_async_context(running_service(SERVICE, settings))
        channel = open_channel(chassis.address)
        stream = router_pb2_grpc.RouterServiceStub(channel).AttachStream()
        await stream.write(attach("alice"))
        assert isinstance(await stream.read(), router_pb2.AttachStreamResponse)
        async with asyncio.timeout(settings.pod.grace_seconds / 2):
            await stack.aclose()
    assert await stream.code() is grpc.StatusCode.UNAVAILABLE
    await channel.close()
