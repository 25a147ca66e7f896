"""Bytes that an Access pod sends on its link to a Logic pod, as far as its desk takes them."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from services.logic.desk import Desk
from services.logic.link import AccessLink, LinkTable
from tests.fuzz.bytes.records import split
from tests.unit.logic.logic_world import World
from whimbrel.api.logic.v1 import logic_pb2

MAX_RECORDS = 16


def fuzz_links(data: bytes) -> None:
    """A link that says this, on memory stores. Whatever stands in a frame is taken or answered."""
    logic = World().logic()
    links = LinkTable()
    desk = Desk(logic.use_cases, links)
    link = AccessLink(logic.ids)
    link.pod_id = "access-0"
    links.add(link)
    for number, (_, payload) in enumerate(split(data)):
        if number >= MAX_RECORDS:
            break
        try:
            request = logic_pb2.LinkRequest.FromString(payload)
        except DecodeError:
            continue
        desk.take(request, link)
        link.frame(0).SerializeToString()
