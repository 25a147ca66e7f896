"""Whoever looks back after a recall or an edit finds what holds now: in search, in the cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.logic.domain.model import Answer, TimelineEntry
from services.logic.parts import LogicParts
from services.logic.usecases import feed_search
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.core.attributes import PLAIN, Attributes

CHAT = "d:alice:bob"


@asynccontextmanager
async def searching(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LogicParts]:
    monkeypatch.setattr(feed_search, "COALESCE_SECONDS", 0.0)
    async with running(world.logic()) as parts:
        loop = asyncio.create_task(parts.history.feed_search.pipeline.run())
        yield parts
        loop.cancel()


async def say(parts: LogicParts, name: str, text: str, attributes: Attributes = PLAIN) -> int:
    """Its message_id, when it is findable."""
    outcome = await send(parts, draft(text, client_id=name, attributes=attributes))
    assert isinstance(outcome, Answer), outcome
    assert await parts.history.feed_search.pipeline.wait_idle(5)
    return outcome.message_id


async def found(parts: LogicParts, text: str) -> list[int | None]:
    page = await parts.history.search.search("bob", text, 50)
    return [one.entry.message_id for one in page.shown]


async def cached(parts: LogicParts, world: World, message_id: int) -> bytes:
    """What somebody who pulls gets: from the cache, or through it."""
    known = await parts.history.bodies.cached({message_id: CHAT})
    if not known:
        (placed,) = [one for one in await world.placed("bob") if one[1] == message_id]
        entry = TimelineEntry("bob", placed[0], message_id, CHAT, "alice")
        known = await parts.history.bodies.through([entry])
    return known[message_id]


async def test_an_edit_is_found_by_its_new_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    async with searching(world, monkeypatch) as parts:
        first = await say(parts, "m1", "lunch at noon")
        assert await found(parts, "noon ") == [first]
        await say(parts, "m2", "lunch at one", Attributes(edits=first))
        assert await found(parts, "noon ") == []
        assert await found(parts, "one ") == [first]


async def test_a_recalled_message_is_found_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    async with searching(world, monkeypatch) as parts:
        first = await say(parts, "m1", "a secret")
        await say(parts, "m2", "another secret", Attributes(edits=first))
        await say(parts, "m3", "", Attributes(recalls=first))
        assert await found(parts, "secret ") == []


async def test_an_index_that_has_not_heard_of_a_recall_shows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    async with searching(world, monkeypatch) as parts:
        first = await say(parts, "m1", "a secret")
        world.history.search.store.faults.fail("replace", times=5)  # type: ignore[attr-defined]
        await say(parts, "m2", "", Attributes(recalls=first))
        assert await found(parts, "secret ") == []


async def test_who_pulls_after_a_recall_gets_no_body(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    async with searching(world, monkeypatch) as parts:
        first = await say(parts, "m1", "a secret")
        edit = await say(parts, "m2", "another secret", Attributes(edits=first))
        assert b"secret" in await cached(parts, world, first)
        assert b"secret" in await cached(parts, world, edit)
        await say(parts, "m3", "", Attributes(recalls=first))
        assert b"secret" not in await cached(parts, world, first)
        assert b"secret" not in await cached(parts, world, edit)


async def test_a_cache_that_was_away_forgets_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    cache = world.history.cache
    async with searching(world, monkeypatch) as parts:
        first = await say(parts, "m1", "a secret")
        assert b"secret" in await cached(parts, world, first)
        cache.faults.fail("forget")  # type: ignore[attr-defined]
        await say(parts, "m2", "", Attributes(recalls=first))
        await parts.clean_up.finish_own()
        assert b"secret" not in await cached(parts, world, first)
