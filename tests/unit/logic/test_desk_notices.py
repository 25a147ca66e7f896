"""What one Access pod says to another goes through Logic's links."""

from __future__ import annotations

from services.logic.desk import Desk
from services.logic.link import AccessLink, LinkTable
from tests.unit.logic.logic_world import World
from whimbrel.api.logic.v1 import logic_pb2


async def test_notices_reach_the_link_of_the_pod_that_they_name_and_no_other() -> None:
    links = LinkTable()
    pods = {}
    for pod_id in ("access-0", "access-1"):
        pods[pod_id] = link = AccessLink(highest_message_id=lambda: 0)
        link.pod_id = pod_id
        links.add(link)
    desk = Desk(World().logic().use_cases, links)
    there = logic_pb2.Kicked(user_id="alice", device_id="p1", epoch=7, pod_id="access-1")
    gone = logic_pb2.Kicked(user_id="alice", device_id="p2", epoch=8, pod_id="access-9")
    newer = logic_pb2.Superseded(user_id="alice", device_id="d", epoch=9, pod_id="access-1")
    desk.take(logic_pb2.LinkRequest(kicked=[there, gone], superseded=[newer]), pods["access-0"])
    said = await pods["access-1"].next_frame()
    assert said is not None
    assert list(said.kicked) == [there]
    assert list(said.superseded) == [newer]
    assert not pods["access-0"].frame(0).ByteSize()
