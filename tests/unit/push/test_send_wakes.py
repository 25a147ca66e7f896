"""The lane of one provider, whatever the provider does."""

from __future__ import annotations

import asyncio

import pytest

from services.logic.domain.model import DeviceCursor
from services.push.domain.notification import Notification
from services.push.domain.outcomes import DELIVERED, MAX_TRIES, Outcome, Result
from services.push.domain.quiet_hours import QuietHours
from services.push.domain.sifting import Marks
from services.push.usecases.send_wakes import FAILURES_IN_A_ROW
from services.push.wake_ports import PushDevice
from tests.unit.push.wakes_world import CHAT, PHONE, World, world
from tests.waiting import until
from whimbrel.core.errors import unavailable
from whimbrel.runtime.push_stream import StreamJob

__all__ = ["world"]


async def test_a_wake_is_sent_once_and_remembered(world: World) -> None:
    await world.owe(5)
    await world.send()
    await world.take(StreamJob("bob", CHAT, "alice", 1005, 5))
    world.now += 10.0
    await world.send()
    assert world.told == [5]
    assert world.schedule.statistics().doubles == 1


async def test_it_says_who_wrote_by_name_and_how_much_is_unread(world: World) -> None:
    world.wishes.shown["alice"] = "Alice Liddell"
    await world.count_unread({CHAT: 4, "g:team": 3})
    await world.owe(5)
    await world.send()
    (sent,) = world.provider.sent
    assert (sent.title, sent.text, sent.badge, sent.unread) == (
        "Alice Liddell",
        "New message (4)",
        7,
        4,
    )


async def test_a_message_that_mentions_the_user_says_so(world: World) -> None:
    await world.take(StreamJob("bob", CHAT, "alice", 1005, 5, mentions_user=True))
    await world.take(StreamJob("bob", "g:team", "alice", 1006, 6))
    world.now += 10.0
    await world.send()
    said = {one.wake.seq: one.data().get("mentions_you") for one in world.provider.sent}
    assert said == {5: "true", 6: None}


async def test_in_quiet_hours_it_is_sent_silently(world: World) -> None:
    world.wishes.hours["bob"] = QuietHours(0, 1439, "UTC")
    await world.owe(5)
    await world.send()
    assert world.provider.sent[0].is_silent
    assert world.judge.statistics().silent == 1


async def test_what_was_acknowledged_meanwhile_is_not_sent(world: World) -> None:
    await world.owe(5)
    await world.marks.cursors.raise_to([DeviceCursor("bob", "tablet", 5)])
    await world.send()
    assert world.told == []
    assert await world.queue.length("apns") == 0


async def test_a_wake_of_yesterday_is_dropped(world: World) -> None:
    await world.owe(5)
    world.now += 86_401.0
    await world.send()
    assert world.told == []
    assert world.judge.statistics().expired == 1


async def test_a_device_that_went_elsewhere_is_not_sent_to_its_old_provider(world: World) -> None:
    await world.owe(5)
    world.devices.devices["bob", "phone"] = PHONE._replace(provider="fcm")
    await world.send()
    assert world.told == []
    assert world.judge.statistics().gone == 1


async def test_a_provider_that_hangs_is_given_up_and_tried_again(world: World) -> None:
    world.provider.hangs = True
    await world.owe(5)
    await world.send()
    assert world.lane.statistics().outcomes["retry"] == 1
    world.provider.hangs = False
    world.now += 2.0
    await world.send()
    assert world.told == [5, 5]
    assert await world.queue.length("apns") == 0


async def test_a_provider_that_raises_what_it_should_not_ends_nothing(world: World) -> None:
    def broken(_notification: Notification) -> Outcome:
        raise RuntimeError("a bug")

    world.provider.answer = broken
    await world.owe(5)
    await world.send()
    assert world.lane.statistics().outcomes["retry"] == 1
    assert await world.queue.length("apns") == 1


async def test_after_the_last_try_it_is_a_dead_letter(world: World) -> None:
    world.provider.answer = lambda _notification: Outcome(Result.RETRY, "TooManyRequests")
    await world.owe(5)
    while await world.queue.length("apns"):
        await world.send()
        world.now += 1300.0
    assert len(world.told) == MAX_TRIES
    (letter,) = await world.letters.newest("", 10)
    assert (letter.reason, letter.wake.tries) == ("TooManyRequests", MAX_TRIES - 1)


async def test_a_provider_in_trouble_is_left_alone_and_then_asked_once(world: World) -> None:
    world.provider.answer = lambda _notification: Outcome(Result.RETRY, "status 500", suffers=True)
    for number in range(20):
        await world.owe(1, conversation=f"g:{number}")
    await world.send()
    asked = len(world.told)
    assert FAILURES_IN_A_ROW <= asked <= FAILURES_IN_A_ROW + 3, "no more than were on their way"
    assert world.lane.statistics().is_open
    world.now += 2.0
    await world.send()
    assert len(world.told) == asked + 1
    world.now += 60.0
    world.provider.answer = lambda _notification: DELIVERED
    await world.send()
    await world.send()
    assert not world.lane.statistics().is_open
    assert await world.queue.length("apns") == 0


async def test_no_more_than_its_bound_is_on_its_way(world: World) -> None:
    world.provider.hangs = True
    for number in range(10):
        await world.owe(1, conversation=f"g:{number}")
    async with asyncio.TaskGroup() as group:
        claimed = [await world.lane.step(group) for _ in range(3)]
        await until(lambda: len(world.told) >= 3)
        assert len(world.told) == 3
        world.provider.goes_on.set()
    assert sum(claimed) == 3


async def test_what_could_not_be_judged_is_judged_at_the_next_step(world: World) -> None:
    real = world.marks.find

    async def away(placed: object) -> Marks:
        raise unavailable("MongoDB does not answer")

    world.marks.find = away  # type: ignore[method-assign]
    await world.owe(5)
    async with asyncio.TaskGroup() as group:
        with pytest.raises(Exception, match="MongoDB"):
            await world.lane.step(group)
    world.marks.find = real  # type: ignore[method-assign]
    await world.send()
    assert world.told == [5]


async def test_a_lane_that_stops_waits_for_what_is_on_its_way(world: World) -> None:
    world.provider.hangs = True
    await world.owe(5)
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        group.create_task(world.lane.run())
        await until(lambda: world.told)
        stopping = group.create_task(world.lane.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        world.provider.goes_on.set()
        await stopping
    assert await world.queue.length("apns") == 0


async def test_with_too_many_waiting_jobs_are_left_where_they_are(world: World) -> None:
    jobs = [StreamJob("bob", f"g:{n}", "alice", 1000 + n, n) for n in range(1, 4)]
    assert await world.schedule.has_room()
    await world.take(*jobs)
    assert not await world.schedule.has_room()
    world.now += 3.0
    await world.send()
    assert await world.schedule.has_room()


async def test_users_without_a_device_that_can_be_woken_are_counted(world: World) -> None:
    world.devices.devices["carol", "phone"] = PushDevice("carol", "phone", "android", "fcm", "t")
    await world.take(
        StreamJob("dave", CHAT, "alice", 1001, 1), StreamJob("carol", CHAT, "alice", 1001, 1)
    )
    assert world.schedule.statistics().unroutable == 2
    assert await world.queue.length("apns") == 0
