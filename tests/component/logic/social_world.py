"""One Logic with real stores and a real Router, and stubs of all that it serves about people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import grpc
import pytest

from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.bootstrap import SERVICE
from services.logic.settings import LogicSettings
from services.router.bootstrap import SERVICE as ROUTER
from services.router.settings import RouterSettings
from tests.stores import own_database
from tests.waiting import until
from whimbrel.api.groups.v1 import groups_pb2_grpc
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.api.moderation.v1 import moderation_pb2_grpc
from whimbrel.api.social.v1 import social_pb2_grpc
from whimbrel.api.types.v1 import types_pb2
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.errors import error_from_rpc
from whimbrel.runtime.settings import MongoSettings, RedisSettings, RouterTarget
from whimbrel.runtime.stores import Database
from whimbrel.testing.servers import running_service


class World:
    """Stubs of one Logic, and its database."""

    def __init__(self, channel: grpc.aio.Channel, database: Database) -> None:
        self.logic = logic_pb2_grpc.LogicServiceStub(channel)
        self.social = social_pb2_grpc.SocialServiceStub(channel)
        self.groups = groups_pb2_grpc.GroupsServiceStub(channel)
        self.moderation = moderation_pb2_grpc.ModerationServiceStub(channel)
        self.database = database

    async def said(self, user: str) -> list[dict[str, object]]:
        """The system messages in a user's timeline."""
        rows = await MongoTimelineStore(self.database).read(user, 1, 1000)
        ids = {row.message_id: row.sender for row in rows if row.message_id is not None}
        found = await MongoMessageStore(self.database).find(ids)
        bodies = [found[message_id].body for message_id in ids]
        return [json.loads(body) for body in bodies if body.startswith(b"{")]

    async def send(self, sender: str, to: str, text: str, client_id: str) -> str:
        """Send over a link, as Access does; the name of the outcome's code, "" for stored."""
        async with asyncio.timeout(10):
            link = self.logic.Link()
            send = logic_pb2.SendRequest(
                ref=1,
                sender_id=sender,
                sender_device_id="phone",
                epoch=1,
                conversation_id=to,
                client_message_id=client_id,
                body=types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=text.encode()),
                budget_ms=5_000,
            )
            hello = logic_pb2.LinkHello(pod_id=f"access-{uuid4().hex[:6]}", incarnation="a")
            await link.write(logic_pb2.LinkRequest(hello=hello, sends=[send]))
            async for response in link:
                for result in response.results:
                    await link.done_writing()
                    if result.HasField("refused"):
                        name = types_pb2.ErrorCode.Name(result.refused.code)
                        return name.removeprefix("ERROR_CODE_")
                    return ""
        raise AssertionError("the link ended without an answer")

    async def send_until(self, code: str, sender: str, to: str, text: str) -> None:
        """Send new messages until one has this outcome: facts are up to 2 s old."""

        async def has_it() -> bool:
            return await self.send(sender, to, text, uuid4().hex) == code

        await until(has_it, seconds=5)


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[World]:
    redis = RedisSettings(url=redis_url)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(own_database(mongo_url))
        mongo = MongoSettings(url=mongo_url, database=database.name)
        router = await stack.enter_async_context(
            running_service(ROUTER, RouterSettings(redis=redis))
        )
        settings = LogicSettings(
            mongo=mongo, redis=redis, router=RouterTarget(addresses=router.address)
        )
        chassis = await stack.enter_async_context(running_service(SERVICE, settings))
        channel = await stack.enter_async_context(open_channel(chassis.address))
        yield World(channel, database)


async def code_of(call: Callable[[], Awaitable[object]]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call()
    return error_from_rpc(raised.value).code.name
