"""What a client says beside its messages: again until it is stored, or never again."""

from __future__ import annotations

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import signals_pb2
from whimbrel.client.signal_book import (
    MAX_EVENTS,
    MAX_UNCONFIRMED,
    READ_AGAIN_SECONDS,
    TYPING_SECONDS,
    SignalBook,
)
from whimbrel.client.signal_events import PresenceEvent, ReadEvent, TypingEvent

CHAT = "d:alice:bob"


def attached() -> SignalBook:
    book = SignalBook(is_enabled=True)
    book.welcomed(knows_signals=True, now=0.0)
    return book


def said(book: SignalBook, now: float = 0.0) -> list[str]:
    """Everything that is to be written now, in words."""
    words = []
    while (frame := book.next_frame(now)) is not None:
        kind = frame.WhichOneof("frame")
        if kind == "read":
            words.append(f"read {frame.read.conversation_id} {frame.read.message_id}")
        elif kind == "watch":
            words.append(f"watch {' '.join(frame.watch.user_ids)}")
        else:
            words.append(f"typing {'stopped' if frame.typing.has_stopped else 'on'}")
    return words


def receipt(user: str, message_id: int, conversation: str = CHAT) -> access_pb2.Signals:
    read = signals_pb2.ReadReceipt(
        conversation_id=conversation, user_id=user, message_id=message_id
    )
    return access_pb2.Signals(signals=[signals_pb2.Signal(read=read)])


def test_a_client_without_signals_says_nothing_of_them() -> None:
    assert SignalBook().wishes() is None
    assert SignalBook(is_enabled=True, delivered=True).wishes() == access_pb2.SignalWishes(
        delivered=True
    )


def test_an_old_server_is_told_nothing() -> None:
    book = SignalBook(is_enabled=True)
    book.welcomed(knows_signals=False, now=0.0)
    book.read(CHAT, 5, 0.0)
    book.watch(["bob"])
    book.type(CHAT, False, 0.0)
    assert said(book, 100.0) == []
    assert book.next_deadline() is None


def test_a_read_is_said_again_until_its_receipt_has_come() -> None:
    book = attached()
    book.read(CHAT, 5, 0.0)
    assert said(book) == [f"read {CHAT} 5"]
    assert book.next_deadline() == READ_AGAIN_SECONDS
    assert said(book, READ_AGAIN_SECONDS) == [f"read {CHAT} 5"]
    book.received(receipt("bob", 4), "bob")
    book.received(receipt("alice", 9), "bob")
    book.lost()
    assert said(book, 11.0) == []
    book.welcomed(knows_signals=True, now=12.0)
    assert said(book, 12.0) == [f"read {CHAT} 5"]
    book.received(receipt("bob", 5), "bob")
    assert said(book, 100.0) == []
    assert book.next_deadline() is None


def test_a_read_never_goes_back_and_the_highest_is_said() -> None:
    book = attached()
    book.read(CHAT, 7, 0.0)
    book.read(CHAT, 5, 0.0)
    assert said(book) == [f"read {CHAT} 7"]
    book.read(CHAT, 9, 1.0)
    assert said(book, 1.0) == [f"read {CHAT} 9"]


def test_reads_that_are_never_confirmed_are_bounded() -> None:
    book = attached()
    for number in range(MAX_UNCONFIRMED + 5):
        book.read(f"g:{number}", 1, 0.0)
    words = said(book)
    assert len(words) == MAX_UNCONFIRMED
    assert words[0] == "read g:5 1"


def test_typing_is_said_every_three_seconds_and_once_at_the_end() -> None:
    book = attached()
    for now in (0.0, 0.5, 2.9):
        book.type(CHAT, False, now)
    assert said(book) == ["typing on"]
    book.type(CHAT, False, TYPING_SECONDS)
    assert said(book) == ["typing on"]
    book.type(CHAT, True, 4.0)
    book.type(CHAT, True, 4.1)
    assert said(book) == ["typing stopped"]
    book.type(CHAT, False, 4.2)
    assert said(book) == ["typing on"]


def test_typing_that_nobody_could_hear_is_not_said_later() -> None:
    book = attached()
    book.type(CHAT, False, 0.0)
    book.lost()
    book.type(CHAT, False, 1.0)
    book.welcomed(knows_signals=True, now=2.0)
    assert said(book, 2.0) == []


def test_who_is_watched_is_said_on_every_stream() -> None:
    book = attached()
    book.watch(["bob", "carol"])
    assert said(book) == ["watch bob carol"]
    book.lost()
    book.welcomed(knows_signals=True, now=1.0)
    assert said(book, 1.0) == ["watch bob carol"]
    book.watch([])
    assert said(book, 1.0) == ["watch "]
    book.lost()
    book.welcomed(knows_signals=True, now=2.0)
    assert said(book, 2.0) == []


def test_an_event_replaces_an_older_one_of_the_same_thing() -> None:
    book = attached()
    typing = signals_pb2.Typing(conversation_id=CHAT, user_id="alice")
    presence = signals_pb2.Presence(user_id="alice", platforms=["phone"])
    news = [
        signals_pb2.Signal(typing=typing),
        signals_pb2.Signal(presence=presence),
        signals_pb2.Signal(),  # of a newer server
    ]
    book.received(receipt("alice", 5), "bob")
    book.received(access_pb2.Signals(signals=news), "bob")
    book.received(receipt("alice", 7), "bob")
    events = []
    while (event := book.take()) is not None:
        events.append(event)
    assert events == [
        TypingEvent(CHAT, "alice", False),
        PresenceEvent("alice", ("phone",), 0),
        ReadEvent(CHAT, "alice", 7),
    ]


def test_events_that_nobody_takes_are_bounded() -> None:
    book = attached()
    for number in range(MAX_EVENTS + 5):
        book.received(receipt("alice", 1, f"g:{number}"), "bob")
    assert book.dropped == 5
    assert book.take() == ReadEvent("g:5", "alice", 1)
