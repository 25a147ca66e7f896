"""Pages of timelines: what they tell of the head, what they cost, and what they pass over."""

from __future__ import annotations

from services.logic.domain.model import TimelineEntry
from services.logic.translate import fill_entries
from services.logic.usecases.read_timeline import Page, ReadTimeline
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.attributes import Attributes


async def talk(world: World, count: int, text: str = "hello") -> ReadTimeline:
    """So many messages from alice to bob; who reads them."""
    async with running(world.logic()) as logic:
        for number in range(count):
            await send(logic, draft(text, client_id=f"c{number}"))
    return world.logic().use_cases.read


def shown(page: Page) -> list[tuple[int, bool]]:
    """Each seq, and whether it has a message."""
    return [(entry.seq, message is not None) for entry, message in page.entries]


async def test_a_page_in_the_middle_says_that_there_is_more_without_a_query_for_it() -> None:
    world = World()
    reader = await talk(world, 7)
    before = world.timelines.faults.reached.copy()
    page = await reader.read("bob", 1, 3)
    assert (shown(page), page.head) == ([(1, True), (2, True), (3, True)], 4)
    assert world.timelines.faults.reached - before == {"read.before": 1, "read.after": 1}
    assert (await reader.read("bob", 5, 3)).head == 7, "the last page tells the head"
    assert (await reader.read("bob", 8, 3)).head == 7
    assert (await reader.read("bob", 2, 3, look_back=1, wants_head=True)).head == 7


async def test_an_entry_that_is_damaged_is_shown_as_a_void() -> None:
    world = World()
    reader = await talk(world, 3)
    world.timelines.entries["bob"][2] = TimelineEntry("bob", 2, is_damaged=True)
    assert shown(await reader.read("bob", 1, 9)) == [(1, True), (2, False), (3, True)]
    assert reader.passed_over == 1
    assert world.timelines.entries["bob"][2].is_damaged, "nothing was written"


async def test_a_message_that_is_lost_is_waited_for_before_it_is_passed_over() -> None:
    world = World()
    reader = await talk(world, 3)
    lost = world.messages.by_id.pop(world.timelines.entries["bob"][2].message_id or 0)
    assert shown(await reader.read("bob", 1, 9)) == [(1, True)]
    assert shown(await reader.read("bob", 2, 9)) == []
    world.clock.now += 1.9
    assert shown(await reader.read("bob", 2, 9)) == []
    world.messages.by_id[lost.message_id] = lost
    assert shown(await reader.read("bob", 2, 9)) == [(2, True), (3, True)]
    assert reader.passed_over == 0
    del world.messages.by_id[lost.message_id]
    world.clock.now += 0.2
    assert shown(await reader.read("bob", 2, 9)) == [], "it was seen meanwhile: waited for anew"
    world.clock.now += 2.0
    assert shown(await reader.read("bob", 2, 9)) == [(2, False), (3, True)]
    assert reader.passed_over == 1


async def test_a_message_that_cannot_be_said_is_a_void_in_the_frame() -> None:
    world = World()
    reader = await talk(world, 3)
    page = await reader.read("bob", 1, 9)
    wrong = page.entries[1][1]
    assert wrong is not None
    wrong.conversation = 7  # type: ignore[assignment]
    result = logic_pb2.FetchResult()
    assert fill_entries(result.entries, page) == [2]
    said = [(one.seq, one.HasField("message")) for one in result.entries]
    assert said == [(1, True), (2, False), (3, True)]


async def test_a_page_has_room_in_a_frame_for_all_that_it_says() -> None:
    world = World()
    reader = await talk(world, 20, text="x" * 60_000)
    plain = await reader.read("bob", 1, 20)
    assert 0 < len(plain.entries) < 20, "half a MiB"
    people = tuple("m" * 60 + f"{number:04}" for number in range(50))
    for message in world.messages.by_id.values():
        message.attributes = Attributes(reply_to=1 << 60, mentions=people)
    for page in (plain, await reader.read("bob", 1, 20)):
        result = logic_pb2.FetchResult()
        fill_entries(result.entries, page)
        assert result.ByteSize() <= page.size_bytes
