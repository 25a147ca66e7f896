"""What one Access pod says to another goes through Logic's links."""

from __future__ import annotations

import asyncio

from services.logic.desk import Desk
from services.logic.domain.model import Answer
from services.logic.link import AccessLink, LinkTable
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.api.logic.v1 import logic_pb2


async def test_notices_reach_the_link_of_the_pod_that_they_name_and_no_other() -> None:
    logic = World().logic()
    links = LinkTable()
    pods = {}
    for pod_id in ("access-0", "access-1"):
        pods[pod_id] = link = AccessLink(logic.ids)
        link.pod_id = pod_id
        links.add(link)
    desk = Desk(logic.use_cases, links)
    there = logic_pb2.Kicked(user_id="alice", device_id="p1", epoch=7, pod_id="access-1")
    gone = logic_pb2.Kicked(user_id="alice", device_id="p2", epoch=8, pod_id="access-9")
    newer = logic_pb2.Superseded(user_id="alice", device_id="d", epoch=9, pod_id="access-1")
    desk.take(logic_pb2.LinkRequest(kicked=[there, gone], superseded=[newer]), pods["access-0"])
    said = await pods["access-1"].next_frame()
    assert said is not None
    assert list(said.kicked) == [there]
    assert list(said.superseded) == [newer]
    assert not pods["access-0"].frame(0).ByteSize()


async def test_what_leaves_on_a_link_has_been_seen_whoever_minted_it() -> None:
    """Rule 7: Access hears of an id with the message itself, so that the reply to it, on another
    link, is minted above it; also of one that is only read here, and was minted elsewhere."""
    world = World()
    elsewhere, here = world.logic("logic-0/a"), world.logic("logic-1/b")
    async with running(elsewhere):
        answer = await send(elsewhere, draft())
    assert isinstance(answer, Answer)
    link = AccessLink(here.ids)
    result = link.frame(0).fetch_results.add()
    assert link.fill(result.entries, await here.use_cases.read.read("bob", 1, 10)) == []
    assert [entry.message.message_id for entry in result.entries] == [answer.message_id]
    frame = await link.next_frame()
    assert frame is not None
    assert frame.highest_message_id >= answer.message_id


async def test_what_a_device_has_is_seen_where_it_attaches_though_it_does_not_come_again() -> None:
    """Rule 7: the question was asked through pods that are dead now, and it is acknowledged. The
    Logic that answers the attach tells Access of it, and so does the reply to a Logic whose
    clock is behind."""
    world = World()
    dead, here, behind = (world.logic(f"logic-{number}/a") for number in range(3))
    async with running(dead):
        questions = [await send(dead, draft(client_id=f"c{number}")) for number in range(3)]
    link = AccessLink(here.ids)
    desk = Desk(here.use_cases, LinkTable())
    request = logic_pb2.AttachRequest(
        ref=1, user_id="bob", device_id="phone", epoch=2, cursor=3, limit=10
    )
    desk.take(logic_pb2.LinkRequest(attaches=[request]), link)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        attaches = tasks.create_task(desk.loops()["attaches"]())
        frame = await link.next_frame()
        attaches.cancel()
    assert frame is not None
    (attached,) = frame.attach_results
    assert (attached.cursor, attached.head, list(attached.entries)) == (3, 3, [])

    world.clock.skew_ms = -60_000
    told = logic_pb2.LinkRequest(highest_message_id=frame.highest_message_id)
    Desk(behind.use_cases, LinkTable()).take(told, AccessLink(behind.ids))
    async with running(behind):
        reply = await send(behind, draft(sender="bob", client_id="r1"), epoch=2)
    assert isinstance(reply, Answer)
    assert all(isinstance(one, Answer) and one.message_id < reply.message_id for one in questions)


async def test_a_page_has_what_was_asked_for_whatever_was_looked_at_before_it() -> None:
    world = World()
    logic = world.logic()
    async with running(logic):
        answers = [await send(logic, draft(client_id=f"c{number}")) for number in range(6)]
    read = logic.use_cases.read.read
    for from_seq in range(1, 8):
        plain, looked = await read("bob", from_seq, 2), await read("bob", from_seq, 2, look_back=3)
        assert (looked.entries, looked.head) == (plain.entries, plain.head)
    looked = await read("bob", 7, 2, look_back=3)
    last = answers[-1]
    assert isinstance(last, Answer)
    assert looked.highest_message_id == last.message_id
    assert (await read("bob", 7, 2)).highest_message_id == 0
