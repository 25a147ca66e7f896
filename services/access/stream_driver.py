"""Moves the frames of one stream: the call's own task reads, another writes while there is
something to write, so that a stream which does nothing costs one task.

grpc.aio wants exactly one read and one write at a time, and never a write that is cancelled on
a stream that lives on. So a stuck stream is ended as a whole, and every stream ends by a normal
return of its handler after its last frame.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc

from services.access import frames, incoming
from services.access.client_stream import ClientStream
from services.access.handshake import Handshake
from services.access.refusals import (
    SentElsewhereError,
    StreamRefusedError,
    StreamReplacedError,
)
from services.access.rules import frame_kind
from services.access.stream_services import StreamServices
from whimbrel.api.access.v1 import access_pb2

_PEER_GONE: Final = (grpc.aio.BaseError, asyncio.InvalidStateError)
"""What reading and writing raise when there is nobody at the other end any more."""


class StreamDriver:
    """Runs one ClientStream on one RPC."""

    __slots__ = (
        "_clock",
        "_context",
        "_handshake",
        "_is_interrupted",
        "_over",
        "_pace",
        "_reader",
        "_room",
        "_writer",
        "stream",
    )

    # The stubs know a context of reads and writes only by halves.
    def __init__(self, services: StreamServices, handshake: Handshake, context: Any) -> None:
        self._context = context
        self._handshake = handshake
        self._clock = services.clock
        self._reader: asyncio.Task[Any] | None = None
        self._is_interrupted = False
        self._writer: asyncio.Task[None] | None = None
        self._over: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.stream = ClientStream(services, self._on_wake)
        self._pace = services.shell.pace()

    async def run(self) -> None:
        """Until the stream is over; then nobody reads or writes any more."""
        try:
            await self._read_until_over()
            if not self.stream.is_over:
                # Nothing is read any more, but the last frame has to go out.
                self._over = asyncio.get_running_loop().create_future()
                await self._over
            if self._writer is not None:
                # A write that is cut off keeps the end of the call from going out, and the client
                # waits for it for ever (TOO_MANY_OPERATIONS). The writer ends by itself, unless
                # the client does not read.
                seconds = self.stream.services.settings.goodbye_seconds
                await asyncio.wait((self._writer,), timeout=seconds)
        finally:
            writer = self._writer
            if writer is not None:
                writer.cancel()
                await asyncio.wait((writer,))
        if writer is not None and not writer.cancelled():
            writer.result()

    async def _read_until_over(self) -> None:
        """Read, and be interrupted when the stream ends otherwise."""
        task = self._reader = asyncio.current_task()
        assert task is not None
        try:
            if not self.stream.is_over:
                await self._read()
        except asyncio.CancelledError:
            # Ours, and nobody else's beside it: as asyncio.timeout does.
            if not self._is_interrupted or task.cancelling() > 1:
                raise
        finally:
            self._reader = None
            if self._is_interrupted:
                task.uncancel()

    def _on_wake(self) -> None:
        if not self.stream.is_over:
            if self._writer is None:
                self._writer = asyncio.get_running_loop().create_task(self._write())
            return
        reader = self._reader
        if reader is not None and not self._is_interrupted and reader is not asyncio.current_task():
            self._is_interrupted = True
            reader.cancel()
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    # --- reading -----------------------------------------------------------------------

    async def _read(self) -> None:
        stream = self.stream
        try:
            first = await self._next_frame()
            if first is None:
                stream.finish("gone")
                return
            frame_kind(first)
            stream.clock.pause()
            await self._handshake.attach(stream, first)
            self._resume()
            while not stream.is_over and (frame := await self._next_frame()) is not None:
                now = self._clock()
                stream.clock.heard(now)
                wait = 0.0
                if self._pace is not None:
                    items = max(1, len(frame.send.messages))
                    size = frame.ByteSize()
                    stream.read_bytes += size
                    wait = self._pace.read(items, size, now)
                if frame.HasField("resume"):
                    await self._handshake.resume(stream, frame.resume.attempt)
                    continue
                if not incoming.handle(stream, frame, now):
                    stream.finish("bye")
                    return
                if not stream.has_room:
                    await self._wait_for_room()
                if wait:
                    await self._slow_down(wait)
            stream.finish("gone")
        except StreamRefusedError as refusal:
            stream.close(refusal.code, refusal.detail, refusal.retry_after_ms)
        except SentElsewhereError as elsewhere:
            stream.end(elsewhere.final, elsewhere.reason)
        except StreamReplacedError:
            stream.is_superseded = True
            stream.end(frames.fin(stream.session.written), "fin")

    async def _next_frame(self) -> access_pb2.ConnectRequest | None:
        """The next frame, None at the end of the stream, be it an end or a break."""
        try:
            frame = await self._context.read()
        except _PEER_GONE:
            return None
        return frame if isinstance(frame, access_pb2.ConnectRequest) else None

    async def _wait_for_room(self) -> None:
        """Too many unanswered sends: the client waits, and its silence does not count."""
        self.stream.clock.pause()
        while not self.stream.has_room:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._room = None
        self._resume()

    async def _slow_down(self, seconds: float) -> None:
        """It comes too fast: what follows waits with the client, whose silence does not count."""
        self.stream.services.shell.throttled += 1
        self.stream.clock.pause()
        await asyncio.sleep(seconds)
        self._resume()

    def _resume(self) -> None:
        self.stream.clock.resume(self._clock())
        self.stream.arm()

    # --- writing -----------------------------------------------------------------------

    async def _write(self) -> None:
        """Until there is nothing to write; `_on_wake` begins anew."""
        stream = self.stream
        try:
            while not stream.is_over and (frame := self._take_frame()) is not None:
                stream.clock.writing(self._clock())
                stream.arm()
                await self._context.write(frame)
                stream.clock.written()
                if frame is stream.final:
                    stream.finish("ended")
        except _PEER_GONE:
            stream.finish("gone")
        except asyncio.CancelledError:
            raise  # `run` has given it up
        except BaseException:
            stream.finish("failed")  # which ends `run`, and that raises it
            raise
        self._writer = None

    def _take_frame(self) -> access_pb2.ConnectResponse | None:
        frame = self._next_due()
        return None if frame is None else self.stream.outbound.stamp(frame)

    def _next_due(self) -> access_pb2.ConnectResponse | None:
        """The next frame: results, the last one, entries as the window permits, signals."""
        stream = self.stream
        frame = stream.outbound.take()
        if frame is not None:
            if self._room is not None and not self._room.done():
                self._room.set_result(None)
            return frame
        if stream.final is not None:
            return stream.final
        if stream.is_attached and stream.session.wants_write:
            now = self._clock()
            items = stream.session.take_ready(now, frames.DELIVER_BYTES)
            stream.turn(now)
            if items:
                if stream.signals is not None:
                    stream.signals.written(items)
                if stream.services.delivery_traces is not None:
                    stream.services.delivery_traces.written(stream, items, now)
                return frames.deliver(items)
        # Last of all: a signal never delays anything.
        if stream.is_attached and stream.signals is not None:
            return stream.signals.queue.take()
        return None
