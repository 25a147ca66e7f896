"""What taking events costs the writer of the stream: a look when an ack's time has changed."""

from __future__ import annotations

import asyncio

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.event_stream import EventStream
from whimbrel.client.settings import ClientSettings
from whimbrel.client.signal_book import SignalBook
from whimbrel.core.attributes import PLAIN
from whimbrel.core.inbox import Inbox
from whimbrel.core.outgoing import BodyKind


def inbox_of(count: int, window: int = 256, kind: int = 1) -> Inbox[types_pb2.Message]:
    inbox: Inbox[types_pb2.Message] = Inbox()
    inbox.attached(1, count, window, 1 << 20, 0.0)
    for seq in range(1, count + 1):
        message = types_pb2.Message(
            message_id=seq,
            conversation_id="d:a:b",
            body=types_pb2.Body(kind=types_pb2.BodyKind.ValueType(kind), content=b"hello"),
        )
        inbox.deliver(seq, message, hint=False, size=100, now=0.0)
    return inbox


class Writer:
    """Counts how often it is asked to look."""

    def __init__(self) -> None:
        self.looks = 0

    def poke(self) -> None:
        self.looks += 1


def stream_of(inbox: Inbox[types_pb2.Message], writer: Writer) -> EventStream:
    return EventStream(inbox, asyncio.Event(), writer.poke, lambda: None)


async def test_a_run_of_events_makes_the_writer_look_once() -> None:
    writer = Writer()
    events = stream_of(inbox_of(100), writer)
    seqs = [(await anext(events)).seq for _ in range(100)]
    assert seqs == list(range(1, 101))
    assert writer.looks == 1


async def test_half_a_window_makes_the_writer_look_at_once() -> None:
    inbox, writer = inbox_of(20, window=16), Writer()
    events = stream_of(inbox, writer)
    for _ in range(9):
        await anext(events)
    assert writer.looks == 2, "when the debt began, and when it became much"
    now = asyncio.get_running_loop().time()
    assert inbox.ack_due(now) == 8


async def test_a_kind_of_a_newer_peer_is_bytes() -> None:
    event = await anext(stream_of(inbox_of(1, kind=99), Writer()))
    assert (event.kind, event.body, event.attributes) == (BodyKind.BYTES, b"hello", PLAIN)


def dialogue(signals: SignalBook | None) -> Dialogue:
    one = Dialogue(
        device_id="phone",
        instance_id="i",
        client="test",
        settings=ClientSettings(),
        signals=signals,
    )
    one.hello("token")
    welcome = access_pb2.Welcome(
        user_id="bob", epoch=1, first_seq=1, window_messages=8, window_bytes=1_000
    )
    one.welcomed(welcome, 0.0)
    return one


def test_who_takes_part_in_delivered_receipts_acknowledges_sooner() -> None:
    delays = []
    for signals in (None, SignalBook(is_enabled=True), SignalBook(is_enabled=True, delivered=True)):
        one = dialogue(signals)
        message = types_pb2.Message(message_id=1, conversation_id="d:a:b")
        one.inbox.deliver(1, message, hint=False, size=10, now=0.0)
        one.inbox.take(0.0)
        one.inbox.finish(0.0)
        delays.append(one.inbox.ack_at())
    assert delays == [1.0, 1.0, 0.2]
