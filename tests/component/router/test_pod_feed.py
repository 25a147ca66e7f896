"""One look for many watchers: the newest table, only when it changed, and nothing when away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from services.router.pod_feed import PodFeed
from services.router.ports import Registry
from whimbrel.api.router.v1 import router_pb2
from whimbrel.testing.memory_directory import MemoryDirectory

POLL_SECONDS = 0.001


class CountingDirectory(MemoryDirectory):
    """Lets a test wait until the feed has looked again."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_000)
        self.looks = 0
        self.looked = asyncio.Condition()

    async def registry(self) -> Registry:
        async with self.looked:
            self.looks += 1
            self.looked.notify_all()
        return await super().registry()

    async def seen_again(self) -> None:
        """Wait until a look that began after this call is over."""
        target = self.looks + 2
        async with asyncio.timeout(5), self.looked:
            await self.looked.wait_for(lambda: self.looks >= target)


def pod(
    name: str,
    *,
    sessions: int = 0,
    role: router_pb2.PodRole.ValueType = router_pb2.POD_ROLE_ACCESS,
) -> router_pb2.Pod:
    return router_pb2.Pod(pod_id=name, incarnation="run", sessions=sessions, role=role)


@asynccontextmanager
async def feeding(directory: MemoryDirectory) -> AsyncIterator[PodFeed]:
    feed = PodFeed(directory, poll_seconds=POLL_SECONDS)
    task = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(10):
            yield feed
    finally:
        task.cancel()
        await asyncio.wait((task,))


def names(table: Registry) -> list[str]:
    return [one.pod_id for one in table.pods]


async def test_a_watcher_gets_the_table_at_once_and_each_change() -> None:
    directory = CountingDirectory()
    await directory.register(pod("a"))
    async with feeding(directory) as feed, aclosing(feed.watch()) as tables:
        assert names(await anext(tables)) == ["a"]
        await directory.register(pod("b"))
        assert names(await anext(tables)) == ["a", "b"]
        await directory.unregister("a", "run")
        assert names(await anext(tables)) == ["b"]


async def test_load_is_known_to_the_router_but_told_to_nobody() -> None:
    directory = CountingDirectory()
    await directory.register(pod("a", sessions=1))
    async with feeding(directory) as feed, aclosing(feed.watch()) as tables:
        await anext(tables)
        following = asyncio.ensure_future(anext(tables))
        await directory.register(pod("a", sessions=9))
        await directory.seen_again()
        assert feed.pods[0].sessions == 9
        assert not following.done()
        await directory.register(pod("b"))
        assert names(await following) == ["a", "b"]


async def test_who_asks_for_load_gets_it_but_not_more_often_than_that() -> None:
    directory = CountingDirectory()
    await directory.register(pod("a", sessions=1))
    clock = asyncio.get_running_loop().time
    async with (
        feeding(directory) as feed,
        aclosing(feed.watch(load_interval_seconds=0.1)) as tables,
    ):
        await anext(tables)
        began = clock()
        for sessions in (2, 3, 4):
            await directory.register(pod("a", sessions=sessions))
            await directory.seen_again()
        assert (await anext(tables)).pods[0].sessions == 4, "the newest only"
        assert clock() - began >= 0.05
        following = asyncio.ensure_future(anext(tables))
        await directory.seen_again()
        assert not following.done(), "and nothing when nothing has changed"
        await directory.register(pod("a", sessions=5))
        assert (await following).pods[0].sessions == 5


async def test_a_change_of_shape_does_not_wait_for_the_interval_of_load() -> None:
    directory = CountingDirectory()
    await directory.register(pod("a"))
    async with (
        feeding(directory) as feed,
        aclosing(feed.watch(load_interval_seconds=3600.0)) as tables,
    ):
        await anext(tables)
        await directory.register(pod("a", sessions=9))
        following = asyncio.ensure_future(anext(tables))
        await directory.seen_again()
        assert not following.done()
        await directory.register(pod("b"))
        assert names(await following) == ["a", "b"]


async def test_a_watcher_sees_its_roles_only_and_is_not_woken_by_others() -> None:
    directory = CountingDirectory()
    await directory.register(pod("logic", role=router_pb2.POD_ROLE_LOGIC))
    async with (
        feeding(directory) as feed,
        aclosing(feed.watch({router_pb2.POD_ROLE_LOGIC})) as tables,
    ):
        assert names(await anext(tables)) == ["logic"]
        following = asyncio.ensure_future(anext(tables))
        await directory.register(pod("access"))
        await directory.seen_again()
        assert not following.done()
        directory.flush()
        assert names(await following) == []


async def test_a_slow_watcher_gets_the_newest_table_only() -> None:
    directory = CountingDirectory()
    async with feeding(directory) as feed, aclosing(feed.watch()) as tables:
        assert names(await anext(tables)) == []
        for name in "abc":
            await directory.register(pod(name))
            await directory.seen_again()
        assert names(await anext(tables)) == ["a", "b", "c"]


async def test_many_watchers_cost_one_look() -> None:
    directory = CountingDirectory()
    async with feeding(directory) as feed:
        watches = [feed.watch() for _ in range(50)]
        for tables in watches:
            await anext(tables)
        assert feed.watchers == 50
        before = directory.looks
        await directory.seen_again()
        assert directory.looks - before < 10
        for tables in watches:
            await tables.aclose()
        assert feed.watchers == 0


async def test_a_store_that_is_away_changes_nothing_and_its_return_is_seen() -> None:
    directory = CountingDirectory()
    await directory.register(pod("a"))
    async with feeding(directory) as feed, aclosing(feed.watch()) as tables:
        first = await anext(tables)
        following = asyncio.ensure_future(anext(tables))
        directory.away = True
        await directory.seen_again()
        assert [one.pod_id for one in feed.pods] == ["a"]
        assert not following.done()
        directory.flush()
        directory.away = False
        table = await following
        assert names(table) == []
        assert table.registry_id != first.registry_id


async def test_close_ends_every_watch() -> None:
    directory = CountingDirectory()
    async with feeding(directory) as feed, aclosing(feed.watch()) as tables:
        await anext(tables)
        following = asyncio.ensure_future(anext(tables, None))
        await directory.seen_again()
        await feed.close()
        assert await following is None
        assert [table async for table in feed.watch()] == []
