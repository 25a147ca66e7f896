"""The signals of one stream: of each thing the newest, never many, and only what it may see."""

from __future__ import annotations

from services.access.frames import Item
from services.access.signal_queue import MAX_PER_FRAME, MAX_WAITING, SignalQueue
from services.access.stream_signals import StreamSignals
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import signals_pb2, types_pb2

CHAT = "d:alice:bob"


def read(user: str, message_id: int, conversation: str = CHAT) -> signals_pb2.Signal:
    receipt = signals_pb2.ReadReceipt(
        conversation_id=conversation, user_id=user, message_id=message_id
    )
    return signals_pb2.Signal(read=receipt)


def typing(user: str, *, has_stopped: bool = False) -> signals_pb2.Signal:
    said = signals_pb2.Typing(conversation_id=CHAT, user_id=user, has_stopped=has_stopped)
    return signals_pb2.Signal(typing=said)


def presence(user: str, *platforms: str) -> signals_pb2.Presence:
    return signals_pb2.Presence(user_id=user, platforms=platforms)


def taken(queue: SignalQueue) -> list[signals_pb2.Signal]:
    frame = queue.take()
    return [] if frame is None else list(frame.signals.signals)


def signals(*, delivered: bool = False, window: int = 4) -> StreamSignals:
    wishes = access_pb2.SignalWishes(delivered=delivered)
    return StreamSignals("bob", wishes, window=window, now=0.0)


def item(seq: int, conversation: str = CHAT, sender: str = "alice") -> Item:
    message = types_pb2.Message(
        message_id=100 + seq, conversation_id=conversation, sender_id=sender
    )
    return Item(seq, message, False)


def test_of_each_thing_only_the_newest_waits() -> None:
    queue = SignalQueue()
    for one in (read("alice", 5), typing("alice"), read("carol", 1), read("alice", 7)):
        queue.put(one)
    queue.put(typing("alice", has_stopped=True))
    assert taken(queue) == [read("alice", 7), typing("alice", has_stopped=True), read("carol", 1)]
    assert queue.take() is None


def test_a_receipt_never_goes_back_while_it_waits() -> None:
    queue = SignalQueue()
    queue.put(read("alice", 7))
    queue.put(read("alice", 5))
    assert taken(queue) == [read("alice", 7)]


def test_what_does_not_fit_in_is_dropped_and_counted() -> None:
    queue = SignalQueue()
    for number in range(MAX_WAITING + 3):
        queue.put(read("alice", 1, f"g:{number}"))
    queue.put(read("alice", 2, "g:0"))
    assert (len(queue), queue.dropped) == (MAX_WAITING, 3)
    assert len(taken(queue)) == MAX_PER_FRAME


def test_only_what_the_device_has_of_others_is_a_delivered_receipt() -> None:
    ours = signals(delivered=True)
    ours.written([item(1), item(2, sender="bob"), item(3, "g:team"), Item(4, None, False)])
    ours.written([item(1), item(5), item(6, "d:bob:carol", "carol")])  # 1 is a redelivery
    assert ours.acknowledged(0) == {}
    assert ours.acknowledged(5) == {CHAT: 105}
    assert ours.acknowledged(6) == {"d:bob:carol": 106}
    assert ours.acknowledged(6) == {}


def test_a_device_that_takes_no_part_neither_says_nor_hears_delivered() -> None:
    silent = signals()
    silent.written([item(1)])
    assert silent.acknowledged(1) == {}
    receipt = signals_pb2.DeliveredReceipt(conversation_id=CHAT, user_id="alice", message_id=5)
    assert not silent.put(signals_pb2.Signal(delivered=receipt))
    assert signals(delivered=True).put(signals_pb2.Signal(delivered=receipt))


def test_presence_is_said_when_it_changes_and_of_those_who_may_be_seen() -> None:
    viewer = signals()
    viewer.watch(["alice", "carol"])
    assert not viewer.changed(presence("carol", "phone")), "nobody has said that it may be seen"
    viewer.shown([presence("alice")])
    viewer.shown([presence("alice")])
    assert viewer.changed(presence("alice", "phone"))
    assert not viewer.changed(presence("alice", "phone"))
    assert not viewer.changed(presence("carol", "phone"))
    assert taken(viewer.queue) == [signals_pb2.Signal(presence=presence("alice", "phone"))]
    viewer.shown([presence("carol", "web")])  # alice has closed the curtain
    shown = [one.presence for one in taken(viewer.queue)]
    assert shown == [presence("alice"), presence("carol", "web")]
    assert not viewer.changed(presence("alice", "phone"))


def test_a_watch_replaces_the_one_before() -> None:
    viewer = signals()
    viewer.watch(["alice"])
    viewer.shown([presence("alice", "phone")])
    viewer.watch(["carol"])
    assert not viewer.changed(presence("alice"))
    viewer.watch(["alice"])
    viewer.shown([presence("alice", "phone")])
    assert len(taken(viewer.queue)) == 1


def test_typing_has_a_rate() -> None:
    fast = signals()
    assert sum(fast.may_type(0.0) for _ in range(100)) == 10
    assert sum(fast.may_type(1.0) for _ in range(100)) == 5
