"""A look at a timeline finds every kind of damage, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from services.logic.domain.audit import Finding, Outline, Wrong, places_of, some_places
from services.logic.domain.model import DeviceCursor, TimelineEntry
from tests.unit.logic.audit_world import Auditors, lose_an_entry

CHAT = "d:alice:bob"


def lose_a_message(world: Auditors, ids: list[int]) -> None:
    del world.messages.by_id[ids[1]]


def repeat_a_message(world: Auditors, ids: list[int]) -> None:
    world.timelines.entries["bob"][4] = world.timelines.entries["bob"][2]._replace(seq=4)


def deliver_to_a_stranger(world: Auditors, ids: list[int]) -> None:
    message = world.messages.by_id[ids[1]]
    world.messages.by_id[ids[1]] = replace(message, participants=("alice", "carol"))


def contradict_the_message(world: Auditors, ids: list[int]) -> None:
    entry = world.timelines.entries["bob"][2]
    world.timelines.entries["bob"][2] = entry._replace(sender="mallory")


async def test_what_logic_stores_is_in_order() -> None:
    world = Auditors()
    await world.talk()
    await world.timelines.insert([TimelineEntry("bob", 4)])
    for user in ("alice", "bob"):
        look = await world.looks.look_at_user(user, 1000)
        assert look.findings == frozenset()
    assert (look.entries, look.voids, look.late) == (4, 1, 0)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lose_an_entry, {(Wrong.HOLE, "bob", 2), (Wrong.MISSING, "bob", 0)}),
        (lose_a_message, {(Wrong.ORPHAN, "bob", 2)}),
        (repeat_a_message, {(Wrong.REPEAT, "bob", 4)}),
        (deliver_to_a_stranger, {(Wrong.STRANGER, "bob", 2), (Wrong.MISSING, "carol", 0)}),
        (contradict_the_message, {(Wrong.MISMATCH, "bob", 2)}),
    ],
)
async def test_each_kind_of_damage_is_found(
    damage: Callable[[Auditors, list[int]], None], expected: set[tuple[Wrong, str, int]]
) -> None:
    world = Auditors()
    damage(world, await world.talk())
    # alice has the same messages, and with them what her friends lack.
    found = {*await world.wrong("bob"), *await world.wrong("alice")}
    assert {(one.wrong, one.user, one.seq) for one in found} - {(Wrong.ORPHAN, "alice", 2)} == (
        expected
    )


async def test_a_row_that_is_no_entry_is_named_and_the_others_are_looked_at() -> None:
    world = Auditors()
    ids = await world.talk()
    world.timelines.entries["bob"][2] = TimelineEntry("bob", 2, is_damaged=True)
    lose = world.messages.by_id.pop(ids[2])
    assert await world.wrong() == [
        Finding(Wrong.ORPHAN, "bob", 3, lose.message_id, CHAT),
        Finding(Wrong.UNREADABLE, "bob", 2),
    ]


async def test_a_page_that_cannot_be_read_is_a_finding_and_no_crash() -> None:
    world = Auditors()
    await world.talk()

    async def garble(point: str) -> None:
        if point == "read.before":
            raise KeyError("conversation")

    world.timelines.faults.pause = garble
    assert await world.wrong() == [Finding(Wrong.UNREADABLE, "bob", 1)]


def test_of_a_large_group_a_look_sees_some_and_all_looks_together_all() -> None:
    people = [f"user-{number}" for number in range(1000)]
    outlines = {(1 << 60) + n: Outline("user-0", "g:team", people) for n in range(100)}
    seen = [some_places(outlines, 1000, salt) for salt in range(0, 1000, 10)]
    assert {len(places) for places in seen} == {1000}
    assert set().union(*seen) == set(places_of(outlines))
    few = {1: Outline("alice", CHAT, ("alice", "bob"))}
    assert some_places(few, 1000, 7) == list(places_of(few))
    assert some_places({}, 1000, 7) == []


async def test_a_cursor_above_the_head_is_found() -> None:
    world = Auditors()
    await world.talk()
    await world.cursors.raise_to([DeviceCursor("bob", "phone", 3)])
    assert await world.wrong() == []
    await world.cursors.raise_to([DeviceCursor("bob", "pc", 7)])
    assert await world.wrong() == [Finding(Wrong.AHEAD, "bob", 7)]


async def test_of_a_long_timeline_the_newest_are_looked_at_and_nothing_below_is_a_hole() -> None:
    world = Auditors()
    lose_an_entry(world, await world.talk(8))
    assert await world.wrong(entries=5) == []
    assert [one.seq for one in await world.wrong(entries=7)] == [2]


async def test_a_seq_from_nowhere_does_not_cost_the_memory_of_all_below() -> None:
    world = Auditors()
    await world.timelines.insert([TimelineEntry("bob", 10**12)])
    assert len(await world.wrong(entries=10**12)) == 1000
