"""A fact is at most 2 s old, and is not asked for again while nothing has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from services.logic.domain.people import AS_DEPLOYED, Audience, Privacy
from services.logic.social_ports import Changes
from services.logic.usecases.followed import Followed
from whimbrel.core.errors import WhimbrelError
from whimbrel.testing.memory_stores.facts import MemoryPrivacyStore

OPEN = Privacy(presence=Audience.EVERYBODY)


class Store(MemoryPrivacyStore):
    """Counts what is asked for; says "too much" when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[set[str]] = []
        self.too_much = False

    async def find(self, keys: Collection[str]) -> Mapping[str, Privacy]:
        self.asked.append(set(keys))
        return await super().find(keys)

    async def changed(self, mark: object) -> Changes:
        changes = await super().changed(mark)
        return Changes(changes.mark, [], is_complete=False) if self.too_much else changes


class World:
    """A store, a clock and a cache."""

    def __init__(self, capacity: int = 100) -> None:
        self.now = 0.0
        self.store = Store()
        self.facts = Followed(self.store, AS_DEPLOYED, clock=lambda: self.now, capacity=capacity)

    async def of(self, user: str) -> Privacy:
        return (await self.facts.get([user]))[user]


async def test_a_fact_is_read_once_while_it_is_followed() -> None:
    world = World()
    await world.store.put("bob", OPEN)
    for _ in range(30):
        await world.facts.follow()
        assert (await world.of("bob"), await world.of("eve")) == (OPEN, AS_DEPLOYED)
        world.now += 1.0
    assert world.store.asked == [{"bob"}, {"eve"}]
    assert world.facts.statistics().read == 2


async def test_a_change_is_seen_after_the_next_look() -> None:
    world = World()
    await world.facts.follow()
    assert await world.of("bob") == AS_DEPLOYED
    await world.store.put("bob", OPEN)
    world.now += 1.0
    await world.facts.follow()
    assert await world.of("bob") == OPEN


async def test_without_following_a_fact_is_good_for_two_seconds() -> None:
    world = World()
    await world.of("bob")
    await world.store.put("bob", OPEN)
    world.now = 2.0
    assert await world.of("bob") == AS_DEPLOYED
    world.now = 2.1
    assert await world.of("bob") == OPEN


async def test_what_was_missed_while_nobody_followed_is_caught_up() -> None:
    world = World()
    await world.facts.follow()
    await world.of("bob")
    world.now = 60.0
    await world.store.put("bob", OPEN)
    await world.facts.follow()
    assert await world.of("bob") == OPEN


async def test_more_changes_than_can_be_told_forget_everything() -> None:
    world = World()
    await world.facts.follow()
    await world.of("bob")
    await world.store.put("bob", OPEN)
    world.store.too_much = True
    await world.facts.follow()
    assert await world.of("bob") == OPEN


async def test_a_store_that_is_away_is_not_taken_for_an_absent_fact() -> None:
    world = World()
    world.store.faults.away = True
    with pytest.raises(WhimbrelError):
        await world.of("bob")


async def test_it_remembers_a_bounded_number_of_facts() -> None:
    world = World(capacity=3)
    await world.facts.get([f"u{number}" for number in range(10)])
    assert world.facts.statistics().known == 3


async def test_what_is_known_is_what_needs_no_query() -> None:
    world = World()
    await world.facts.follow()
    assert not world.facts.knows(["bob"])
    await world.of("bob")
    assert world.facts.knows(["bob"])
    assert not world.facts.knows(["bob", "eve"])
    world.now += 10
    assert not world.facts.knows(["bob"]), "nobody has looked for changes since"
