"""What a Pong says, and that it says each thing once."""

from __future__ import annotations

import pytest

from services.access.announcements import Announcements, StormSource, StormWindow
from services.access.frames import Outbound
from whimbrel.api.access.v1 import access_pb2

CALM = StormWindow(2_000, 30_000)
WILD = StormWindow(8_000, 120_000)


def announced(head: int = 5) -> Announcements:
    announcements = Announcements()
    announcements.welcomed(head, CALM)
    return announcements


def frame(pong: access_pb2.Pong) -> access_pb2.ConnectResponse:
    return access_pb2.ConnectResponse(pong=pong)


def test_ping_and_pong_have_two_bytes_when_there_is_nothing_new() -> None:
    assert access_pb2.ConnectRequest(ping=access_pb2.Ping()).ByteSize() == 2
    announcements = announced()
    for _ in range(3):
        assert frame(announcements.pong(5, 5, CALM)).ByteSize() == 2


def test_a_head_is_news_once_and_only_beyond_what_was_written() -> None:
    announcements = announced()
    assert not announcements.pong(5, 0, CALM).HasField("head"), "the Welcome has said it"
    assert not announcements.pong(9, 9, CALM).HasField("head"), "the entries have"
    assert announcements.pong(12, 9, CALM).head == 12
    assert frame(announcements.pong(12, 9, CALM)).ByteSize() == 2
    assert announcements.pong(13, 9, CALM).head == 13


def test_a_changed_window_is_announced_once() -> None:
    announcements = announced()
    pong = announcements.pong(5, 5, WILD)
    assert (pong.storm_window.foreground_ms, pong.storm_window.background_ms) == WILD
    assert frame(announcements.pong(5, 5, WILD)).ByteSize() == 2
    assert announcements.pong(5, 5, CALM).HasField("storm_window"), "and so is the change back"


def test_a_pong_that_was_not_taken_keeps_its_news() -> None:
    announcements, outbound = announced(), Outbound()
    outbound.pong(announcements.pong(9, 5, WILD))
    outbound.pong(announcements.pong(9, 5, WILD))
    taken = outbound.take()
    assert taken is not None
    assert taken.pong.head == 9
    assert taken.pong.storm_window.foreground_ms == WILD.foreground_ms
    assert outbound.empty


def test_a_window_may_not_be_negative() -> None:
    source = StormSource(CALM)
    with pytest.raises(ValueError):
        source.set(StormWindow(-1, 0))
    assert source.current == CALM
