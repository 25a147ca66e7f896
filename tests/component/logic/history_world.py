"""A Router and a Logic on real stores, a link to send and acknowledge on, and the calls of
looking back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from services.logic.bootstrap import SERVICE as LOGIC
from services.logic.settings import AuditSettings, LogicSettings
from services.router.bootstrap import SERVICE as ROUTER
from services.router.settings import RouterSettings
from tests.stores import own_stores
from tests.waiting import until
from whimbrel.api.history.v1 import history_pb2 as pb
from whimbrel.api.history.v1 import history_pb2_grpc
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.names import direct_conversation
from whimbrel.local.cluster import wait_registered
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.settings import MetricsSettings, MongoSettings, RedisSettings, RouterTarget
from whimbrel.runtime.settings_group import SettingsGroup
from whimbrel.runtime.stores import Database
from whimbrel.testing.servers import running_service

CHAT = direct_conversation("alice", "bob")
WAIT_SECONDS = 10.0


class HistoryWorld:
    """What a test does and sees."""

    def __init__(
        self,
        redis: Redis,
        database: Database,
        history: history_pb2_grpc.HistoryServiceStub,
        logic: logic_pb2_grpc.LogicServiceStub,
        router_address: str,
        metrics_address: str,
    ) -> None:
        self.router_address = router_address
        self.metrics_address = metrics_address
        self.redis = redis
        self.database = database
        self.history = history
        self._logic = logic
        self._outgoing: asyncio.Queue[logic_pb2.LinkRequest] = asyncio.Queue()
        self._answers: dict[int, asyncio.Future[logic_pb2.SendResult]] = {}
        self._pages: dict[int, asyncio.Future[Any]] = {}
        self._stored: dict[tuple[str, str], int] = {}
        self._news = asyncio.Condition()
        self._ref = 0

    async def run_link(self) -> None:
        """The link of an Access pod, until cancelled."""
        call = self._logic.Link()
        hello = logic_pb2.LinkHello(pod_id="access-0", incarnation="test")
        await call.write(logic_pb2.LinkRequest(hello=hello))

        async def write() -> None:
            while True:
                await call.write(await self._outgoing.get())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            async for frame in call:
                for result in frame.results:
                    self._answers.pop(result.ref).set_result(result)
                pages: list[Any] = [*frame.fetch_results, *frame.attach_results]
                for page in pages:
                    self._pages.pop(page.ref).set_result(page)
                async with self._news:
                    for cursor in frame.stored_cursors:
                        self._stored[cursor.user_id, cursor.device_id] = cursor.cursor
                    self._news.notify_all()

    async def send(
        self,
        text: str,
        *,
        sender: str = "alice",
        to: str = CHAT,
        client_id: str = "",
        attributes: types_pb2.Attributes | None = None,
    ) -> int:
        """Send a text; its message_id once it is accepted."""
        self._ref += 1
        answer: asyncio.Future[logic_pb2.SendResult] = asyncio.get_running_loop().create_future()
        self._answers[self._ref] = answer
        request = logic_pb2.SendRequest(
            ref=self._ref,
            sender_id=sender,
            sender_device_id="phone",
            epoch=1,
            conversation_id=to,
            client_message_id=client_id or f"c{self._ref}",
            body=types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=text.encode()),
            budget_ms=10_000,
            resend=bool(client_id),
            attributes=attributes,
        )
        self._outgoing.put_nowait(logic_pb2.LinkRequest(sends=[request]))
        async with asyncio.timeout(WAIT_SECONDS):
            result = await answer
        assert result.WhichOneof("outcome") == "stored", result
        return result.stored.message_id

    async def acknowledge(self, user: str, cursor: int, device: str = "phone") -> None:
        """A device acknowledges on its stream; returns when that is stored."""
        update = logic_pb2.Cursor(user_id=user, device_id=device, cursor=cursor)
        self._outgoing.put_nowait(logic_pb2.LinkRequest(cursors=[update]))
        async with asyncio.timeout(WAIT_SECONDS), self._news:
            await self._news.wait_for(lambda: self._stored.get((user, device), 0) >= cursor)

    async def fetch(self, user: str) -> list[types_pb2.Entry]:
        """The first page of a timeline, as an Access pod reads it."""
        request = logic_pb2.FetchRequest(ref=self._next_ref(), user_id=user, from_seq=1, limit=100)
        return await self._page(request.ref, logic_pb2.LinkRequest(fetches=[request]))

    async def attach(self, user: str) -> list[types_pb2.Entry]:
        """The same for a device that attaches and has nothing."""
        request = logic_pb2.AttachRequest(
            ref=self._next_ref(), user_id=user, device_id="laptop", epoch=1, cursor=0, limit=100
        )
        return await self._page(request.ref, logic_pb2.LinkRequest(attaches=[request]))

    def _next_ref(self) -> int:
        self._ref += 1
        return self._ref

    async def _page(self, ref: int, request: logic_pb2.LinkRequest) -> list[types_pb2.Entry]:
        page = self._pages[ref] = asyncio.get_running_loop().create_future()
        self._outgoing.put_nowait(request)
        async with asyncio.timeout(WAIT_SECONDS):
            result = await page
        assert not result.HasField("refused"), result
        return list(result.entries)

    async def group(self, *members: str) -> str:
        """A group of Alice and these."""
        created = await self._logic.CreateGroup(
            logic_pb2.CreateGroupRequest(
                owner_id="alice", member_ids=members, client_group_id=uuid4().hex
            )
        )
        return created.conversation_id

    async def recent(self, user: str = "bob") -> dict[str, list[str]]:
        """The undelivered texts of each conversation."""
        pulled = await self.history.PullRecent(
            pb.PullRecentRequest(caller_id=user, conversations=200, messages=100)
        )
        return {one.conversation_id: texts(one.entries) for one in pulled.conversations}

    async def listed(self, user: str = "bob") -> dict[str, tuple[str, int, int]]:
        """(last text, unread, undelivered) of each conversation, in the order of the list."""
        found = await self.history.ListConversations(
            pb.ListConversationsRequest(caller_id=user, limit=100)
        )
        return {
            one.conversation_id: (texts([one.last])[0], one.unread, one.undelivered)
            for one in found.conversations
        }

    async def index(self, user: str = "bob") -> dict[str, Any]:
        """The undelivered index of the user as it lies in Redis."""
        keys = [key async for key in self.redis.scan_iter(f"undelivered:{{{user}}}*")]
        found: dict[str, Any] = {}
        for key in keys:
            name = key.decode()
            if name.endswith("}"):
                found[name] = await self.redis.hgetall(key)
            else:
                found[name] = await self.redis.zrange(key, 0, -1, withscores=True)
        return found


async def eventually(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait until `look` sees what is wanted: what follows a commit follows soon."""
    seen: object = None

    async def is_seen() -> bool:
        nonlocal seen
        seen = await look()
        return seen == wanted

    try:
        await until(is_seen, seconds=WAIT_SECONDS)
    except TimeoutError:
        assert seen == wanted


def texts(entries: Any) -> list[str]:
    """The bodies of entries."""
    return [entry.message.body.content.decode() for entry in entries]


@asynccontextmanager
async def history_world(
    redis_url: str, mongo_url: str, **changed: SettingsGroup
) -> AsyncIterator[HistoryWorld]:
    """Everything up and empty; `changed` are groups of Logic's settings."""
    redis_settings = RedisSettings(url=redis_url)
    async with own_stores(redis_url, mongo_url) as (redis, database):
        mongo = MongoSettings(url=mongo_url, database=database.name)
        async with (
            running_service(ROUTER, RouterSettings(redis=redis_settings)) as router,
            running_service(
                LOGIC,
                LogicSettings(
                    redis=redis_settings,
                    mongo=mongo,
                    router=RouterTarget(addresses=router.address),
                    **changed,  # type: ignore[arg-type]
                ),
            ) as logic,
            open_channel(logic.address) as channel,
        ):
            world = HistoryWorld(
                redis,
                database,
                history_pb2_grpc.HistoryServiceStub(channel),
                logic_pb2_grpc.LogicServiceStub(channel),
                router.address,
                logic.metrics_address,
            )
            await wait_registered(router.address, {"logic-0"}, timeout_seconds=WAIT_SECONDS)
            link = asyncio.create_task(world.run_link())
            try:
                yield world
            finally:
                link.cancel()
                await asyncio.wait((link,))


@asynccontextmanager
async def audited_world(redis_url: str, mongo_url: str) -> AsyncIterator[HistoryWorld]:
    """With an auditor that looks at everybody at once, and figures to see it by."""
    metrics = MetricsSettings(listen="127.0.0.1:0")
    audit = AuditSettings(users_per_minute=6000, settle_seconds=0.3)
    async with history_world(redis_url, mongo_url, metrics=metrics, audit=audit) as world:
        yield world
