"""Who is woken, when, and by what: from what Logic writes to the provider, on real stores."""

from __future__ import annotations

import pytest

from services.gateway.domain.accounts import Device
from services.logic.domain.history import UnreadEntry
from services.logic.domain.model import DeviceCursor
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from tests.component.push.push_world import CHAT, World, job, world

__all__ = ["world"]


async def test_an_offline_user_is_woken_once_for_a_double_job(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.phone("carol", token="b2" * 32)
    await world.queue.enqueue([job(1), job(1), job(1, "carol")])
    await world.wait_for_the_moment(pod)
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    assert sorted(world.provider.seqs) == [("bob", 1), ("carol", 1)]


async def test_nobody_is_woken_before_the_moment(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(1)])
    await pod.consume.step()
    await pod.send()
    assert world.provider.sent == []
    assert await pod.wakes.length("apns") == 1


async def test_of_a_conversation_the_newest_message_is_told_once(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(1), job(2), job(3)])
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 3)]


async def test_each_device_is_woken(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.devices.put(Device("bob", "tablet", "ios", "apns", "c3" * 32, 1))
    await world.devices.put(Device("bob", "elsewhere", "android", "fcm", "token", 1))
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    assert {one.wake.device for one in world.provider.sent} == {"phone", "tablet"}


async def test_a_job_is_not_sent_when_the_cursor_has_passed(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(4), job(5)._replace(conversation="g:other")])
    await pod.consume.step()
    await world.cursors.raise_to([DeviceCursor("bob", "phone", 1), DeviceCursor("bob", "pc", 4)])
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 5)]


@pytest.mark.parametrize("marks", ["reads", "pulls"])
async def test_a_job_is_not_sent_when_the_read_mark_has_passed(world: World, marks: str) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(4), job(5)._replace(conversation="g:other")])
    await pod.consume.step()
    store = world.reads if marks == "reads" else world.pulls
    await store.raise_to("bob", CHAT, 4)
    await world.reads.raise_to("bob", "g:third", 9)
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 5)]


async def test_a_job_of_a_conversation_that_was_muted_since_is_not_sent(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(4), job(5)._replace(conversation="g:other")])
    await pod.consume.step()
    await world.settings.change("bob", CHAT, is_pinned=None, is_muted=True)
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 5)]


async def test_the_badge_is_all_that_is_unread_and_absent_when_nobody_knows(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.unread.add(
        [
            UnreadEntry("bob", CHAT, 1001, 1, is_own=False),
            UnreadEntry("bob", CHAT, 1002, 2, is_own=False),
            UnreadEntry("bob", "g:team", 1003, 3, is_own=False),
        ]
    )
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    token = await world.unread.begin_rebuild("bob")
    assert await world.unread.finish_rebuild("bob", token)
    await world.queue.enqueue([job(2)])
    await world.wait_for_the_moment(pod)
    unknown, known = world.provider.sent
    assert (unknown.badge, unknown.unread, unknown.text) == (None, None, "New message")
    assert (known.badge, known.unread, known.text) == (3, 2, "New message (2)")


async def test_a_dead_token_is_removed_and_a_newer_one_stays(world: World) -> None:
    pod = world.pod()
    await world.phone()
    world.provider.outcome = Outcome(Result.DEAD_TOKEN, "Unregistered")
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    (device,) = await world.devices.list("bob")
    assert (device.push_provider, device.push_token) == ("", "")
    assert await pod.wakes.length("apns") == 0
    await world.phone(token="d4" * 32)
    world.provider.outcome = DELIVERED
    await world.queue.enqueue([job(2)])
    await world.wait_for_the_moment(pod)
    assert world.provider.sent[0].token == "d4" * 32


async def test_a_notification_that_is_refused_becomes_a_dead_letter(world: World) -> None:
    pod = world.pod()
    await world.phone()
    world.provider.outcome = Outcome(Result.REFUSED, "PayloadTooLarge")
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    (letter,) = await pod.letters.newest("", 10)
    assert (letter.provider, letter.reason, letter.wake.seq) == ("apns", "PayloadTooLarge", 1)
    assert await pod.wakes.length("apns") == 0


async def test_a_provider_that_is_unavailable_keeps_what_waits(world: World) -> None:
    pod = world.pod()
    await world.phone()
    world.provider.outcome = Outcome(Result.UNAVAILABLE, "InvalidProviderToken")
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    assert pod.lane.statistics().is_open
    assert await pod.wakes.length("apns") == 1
    world.provider.outcome = DELIVERED
    other = world.pod("push-1")  # whose breaker has seen nothing
    world.ahead_seconds += 3600.0
    await other.send()
    assert world.provider.seqs == [("bob", 1)]
