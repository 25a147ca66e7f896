"""A bidirectional stream in memory, with the two faces that grpc.aio gives it.

Frames keep their order and take time; a stream that is cut loses what is under way, and both
ends see what grpc.aio shows: the end of the stream when they read, InvalidStateError when they
write. Bounded: a writer waits while too much is under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

F = TypeVar("F")
Delay = Callable[[], float]

CAPACITY_FRAMES = 64


class Direction(Generic[F]):
    """One way."""

    def __init__(self, delay: Delay) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._under_way: deque[F] = deque()
        self._arrived: deque[F] = deque()
        self._last_at = 0.0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self.is_cut = False
        self._is_ended = False
        self._is_lost = False

    async def put(self, frame: F) -> None:
        """Put a frame in; InvalidStateError when nobody will get it."""
        while len(self._under_way) + len(self._arrived) >= CAPACITY_FRAMES and not self.is_cut:
            self._room.clear()
            await self._room.wait()
        if self._is_lost:
            return
        if self.is_cut or self._is_ended:
            raise asyncio.InvalidStateError("the stream is over")
        self._last_at = max(self._last_at, self._loop.time() + self._delay())
        self._under_way.append(frame)
        self._loop.call_at(self._last_at, self._arrive)

    async def get(self) -> F | None:
        """The next frame; None at the end."""
        while not self._arrived:
            if self.is_cut or (self._is_ended and not self._under_way):
                return None
            self._changed.clear()
            await self._changed.wait()
        self._room.set()
        return self._arrived.popleft()

    def end(self) -> None:
        """No more frames; what is under way still arrives."""
        self._is_ended = True
        self._changed.set()

    def cut(self) -> None:
        """What is under way is lost, and so is what nobody has taken yet."""
        self.is_cut = True
        self._under_way.clear()
        self._arrived.clear()
        self._changed.set()
        self._room.set()

    def lose(self) -> None:
        """The reader's end breaks; what is put in goes nowhere, and the writer is not told."""
        self._is_lost = True
        self.cut()

    def stall(self, seconds: float) -> None:
        """Nothing that is put in now arrives before this time has passed."""
        self._last_at = max(self._last_at, self._loop.time() + seconds)

    def _arrive(self) -> None:
        if self._under_way:
            self._arrived.append(self._under_way.popleft())
            self._changed.set()


class MemoryStream:
    """Both directions. `up` goes to the server."""

    # What grpc.aio calls a call and a context exists in its stubs alone.
    def __init__(self, delay: Delay) -> None:
        self.up: Direction[Any] = Direction(delay)
        self.down: Direction[Any] = Direction(delay)

    @property
    def is_over(self) -> bool:
        """Whether it was cut."""
        return self.up.is_cut

    def cut(self) -> None:
        """The connection breaks."""
        self.up.cut()
        self.down.cut()

    def stall(self, seconds: float) -> None:
        """The connection hangs for so long."""
        self.up.stall(seconds)
        self.down.stall(seconds)


class ClientEnd:
    """What a stub returns."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream
        self._is_broken = False

    def half_open(self, seconds: float) -> None:
        """This end breaks now; the other one finds out after so many seconds."""
        self._is_broken = True
        self._stream.down.lose()
        asyncio.get_running_loop().call_later(seconds, self._stream.cut)

    async def write(self, frame: Any) -> None:
        """As StreamStreamCall.write."""
        if self._is_broken:
            raise asyncio.InvalidStateError("the stream is over")
        await self._stream.up.put(frame)

    async def read(self) -> Any:
        """The next frame, or something that is none at the end."""
        return await self._stream.down.get()

    def cancel(self) -> bool:
        """Give the stream up."""
        if not self._is_broken:
            self._stream.cut()
        return True


class ServerEnd:
    """What a servicer gets: its context, and its iterator of requests."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    async def write(self, frame: Any) -> None:
        """As ServicerContext.write."""
        await self._stream.down.put(frame)

    async def read(self) -> Any:
        """As ServicerContext.read."""
        return await self._stream.up.get()

    def __aiter__(self) -> ServerEnd:
        return self

    async def __anext__(self) -> Any:
        frame = await self._stream.up.get()
        if frame is None:
            raise StopAsyncIteration
        return frame
