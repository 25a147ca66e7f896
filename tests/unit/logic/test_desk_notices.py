"""What one Access pod says to another goes through Logic's links."""

from __future__ import annotations

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
    assert link.page(await here.use_cases.read.read("bob", 1, 10))
    link.frame(0)
    frame = await link.next_frame()
    assert frame is not None
    assert frame.highest_message_id >= answer.message_id
