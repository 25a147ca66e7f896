"""What a pod tells its streams beside messages: heads and storm windows, each change once.

A Pong is 2 bytes as long as there is nothing new, which is nearly always. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from whimbrel.api.access.v1 import access_pb2


class StormWindow(NamedTuple):
    """Over how long clients return after a lost stream, in milliseconds."""

    foreground_ms: int
    background_ms: int

    def frame(self) -> access_pb2.StormWindow:
        """As clients get it."""
        return access_pb2.StormWindow(
            foreground_ms=self.foreground_ms, background_ms=self.background_ms
        )


class StormSource:
    """The storm window of a pod. What is set here reaches every stream by its next Pong."""

    def __init__(self, window: StormWindow) -> None:
        self.current = window

    def set(self, window: StormWindow) -> None:
        """From now on this one. ValueError for a negative time."""
        if min(window) < 0:
            raise ValueError("a window cannot be negative")
        self.current = window


class Announcements:
    """What one stream was told last."""

    __slots__ = ("_head", "_storm")

    def __init__(self) -> None:
        self._head = 0
        self._storm: StormWindow | None = None

    def welcomed(self, head: int, storm: StormWindow) -> None:
        """Its Welcome said so."""
        self._head = head
        self._storm = storm

    def pong(self, head: int, written: int, storm: StormWindow) -> access_pb2.Pong:
        """The next Pong, counted as said: the head when it lies beyond what was written and is
        news, the window when it has changed."""
        pong = access_pb2.Pong()
        if head > written and head > self._head:
            self._head = head
            pong.head = head
        if storm != self._storm:
            self._storm = storm
            pong.storm_window.CopyFrom(storm.frame())
        return pong
