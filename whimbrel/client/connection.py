"""One stream, from its channel to its end: moves frames and tells the time, decides nothing.

The task that calls `run` reads, one task beside it writes: grpc.aio permits one of each, and a
write that is cancelled poisons its stream, so a write is cut off only to give the stream up.

    OPENING ──Welcome──▶ PRESENT ──a newer stream has the session──▶ RETIRING ──Fin──▶ over

A stream that opens while another one is present disturbs nothing until its Welcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc

from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.client.connection_types import (
    Admission,
    Call,
    Ending,
    Host,
    Stage,
    StreamDeadError,
    words_of,
)
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.endpoints import is_reached, open_channel
from whimbrel.client.farewell import farewell_of
from whimbrel.client.greeting import greet
from whimbrel.client.settings import ClientSettings
from whimbrel.client.transport import Transport
from whimbrel.client.waker import Waker
from whimbrel.core.inbox_types import RemoteProtocolError

_TICK_SECONDS = 0.001
_END_SECONDS = 1.0


class Connection:
    """Runs one stream. Use once."""

    def __init__(
        self,
        dialogue: Dialogue,
        host: Host,
        on_present: Callable[[Connection], None],
        settings: ClientSettings,
        transport: Transport,
        *,
        is_move: bool = False,
    ) -> None:
        """`on_present` is called when this stream becomes the session. `is_move`: another one
        is while this one opens."""
        self.stage = Stage.OPENING
        self.attached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the stream is the session; cancelled when it ends without."""
        self._dialogue = dialogue
        self._host = host
        self._on_present = on_present
        self._waker = Waker()
        self._settings = settings
        self._transport = transport
        self._is_move = is_move
        self._clock = asyncio.get_running_loop().time
        self._leave_by: float | None = None
        self._retire_by: float | None = None
        self._dropped: str | None = None
        self._wait: asyncio.Timeout | None = None  # of the greeting, then of the present write

    def poke(self) -> None:
        """The dialogue may have something to write."""
        # Of eight messages sent at once the first wakes the writer, and the others need not ask.
        if self.stage is Stage.PRESENT and self._waker.is_asleep:
            self._waker.poke(self._dialogue.next_deadline())

    def retire(self) -> None:
        """A newer stream is the session now: take what still comes, and wait for Fin."""
        if self.stage is Stage.PRESENT:
            self.stage = Stage.RETIRING
            self._retire_by = self._clock() + self._settings.fin_timeout_seconds
            self._waker.wake()

    def leave(self) -> None:
        """Say goodbye: the last ack, its confirmation, Bye. `run` returns soon after."""
        if self._leave_by is None:
            self._leave_by = self._clock() + self._settings.leave_timeout_seconds
            self._waker.wake()

    def drop(self, reason: str) -> None:
        """The way to the server is another one now: give the stream up, without a goodbye.
        `run` returns soon after."""
        if self._dropped is None:
            self._dropped = reason
            if self._wait is not None:
                self._wait.reschedule(self._clock())
            self._waker.wake()

    async def run(self, endpoint: str, admission: Admission) -> Ending:
        """Connect, attach, move frames until the stream ends; the channel is closed then."""
        try:
            ending = await self._run(endpoint, admission)
        finally:
            self.attached.cancel()
        if self._dropped is not None and ending.farewell is None:
            return Ending(self._dropped, ending.was_attached, is_ours=True)
        return ending

    # --- inside ----------------------------------------------------------------------

    async def _run(self, endpoint: str, admission: Admission) -> Ending:
        channel = open_channel(endpoint, self._transport)
        try:
            if self._is_move and not await self._reaches(channel):
                return Ending(f"{endpoint} is not reached", was_attached=False, was_sent=False)
            call: Call = access_pb2_grpc.AccessServiceStub(channel).Connect()
            first = await self._greet(call, admission)
            if isinstance(first, Ending):
                return first
            await self._host.on_welcome(first, endpoint)
            try:
                self._dialogue.welcomed(first, self._clock())
            except RemoteProtocolError as error:
                return Ending(str(error), was_attached=False)
            self.stage = Stage.PRESENT
            self._on_present(self)
            self.attached.set_result(None)
            await self._host.on_frame()
            return await self._converse(call)
        finally:
            if self.stage is Stage.RETIRING:
                self._dialogue.retired()
            elif self.stage is Stage.PRESENT or not self._is_move:
                self._dialogue.lost()
            await channel.close()

    async def _reaches(self, channel: grpc.aio.Channel) -> bool:
        return await is_reached(channel, self._settings.welcome_timeout_seconds)

    async def _greet(self, call: Call, admission: Admission) -> access_pb2.Welcome | Ending:
        hello = self._dialogue.hello(*admission)
        self._wait = asyncio.timeout(self._settings.welcome_timeout_seconds)
        try:
            first = await greet(call, hello, self._wait)
        finally:
            self._wait = None
        if isinstance(first, str):
            return Ending(first, was_attached=False)
        farewell = farewell_of(first) if self._is_move else self._dialogue.farewell(first)
        if farewell is not None:
            return Ending(farewell.detail, was_attached=False, farewell=farewell)
        if not first.HasField("welcome"):
            return Ending("the first frame was no Welcome", was_attached=False)
        return first.welcome

    async def _converse(self, call: Call) -> Ending:
        dead: list[str] = []
        ending: Ending | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write_all(call), name="whimbrel-writer")
                ending = await self._read_all(call)
                writer.cancel()
        except* StreamDeadError as errors:
            dead += map(str, errors.exceptions)
        return ending or Ending(dead[0], was_attached=True)

    async def _read_all(self, call: Call) -> Ending:
        while True:
            try:
                frame = await call.read()
            except grpc.aio.AioRpcError as error:
                return Ending(words_of(error), was_attached=True)
            if not isinstance(frame, access_pb2.ConnectResponse):
                return Ending("the stream ended without a word", was_attached=True)
            try:
                if self.stage is Stage.RETIRING:
                    farewell = self._dialogue.received_aside(frame, self._clock())
                else:
                    farewell = self._dialogue.received(frame, self._clock())
            except RemoteProtocolError as error:
                return Ending(str(error), was_attached=True)
            await self._host.on_frame()
            if farewell is not None:
                return Ending(farewell.detail, was_attached=True, farewell=farewell)
            if self._leave_by is not None:
                self._waker.wake()
            else:
                self.poke()

    async def _write_all(self, call: Call) -> None:
        while True:
            if self._dropped is not None:
                raise StreamDeadError(self._dropped)
            if self._retire_by is not None:
                await self._retire(call, self._retire_by)
            now = self._clock()
            is_leaving = self._leave_by is not None
            frame = self._dialogue.next_frame(now, leaving=is_leaving)
            if frame is not None:
                if frame.HasField("ack"):
                    await self._host.on_ack(frame.ack.cursor)
                if not await self._write(call, frame):
                    return  # the reader learns why
                continue
            if self._dialogue.is_dead(now):
                raise StreamDeadError("the server did not answer a ping")
            deadline = self._dialogue.next_deadline()
            if self._leave_by is not None:
                if now >= self._leave_by or not self._dialogue.inbox.awaits_confirmation:
                    await self._say_bye(call)
                    return
                deadline = self._leave_by
            if deadline is None:
                return
            await self._waker.wait_until(max(deadline, now + _TICK_SECONDS))

    async def _retire(self, call: Call, retire_by: float) -> None:
        """Nothing is said on a stream that is not the session any more; the reader ends with
        Fin. A pod that has not heard of the newer stream by then is told goodbye."""
        while self._clock() < retire_by and self._dropped is None and self._leave_by is None:
            await self._waker.wait_until(retire_by)
        await self._say_bye(call)

    async def _say_bye(self, call: Call) -> None:
        if await self._write(call, access_pb2.ConnectRequest(bye=access_pb2.Bye())):
            await call.done_writing()
            # The server ends the stream now, and the reader with it. If not, nobody waits.
            await asyncio.sleep(_END_SECONDS)
        raise StreamDeadError("left")

    async def _write(self, call: Call, frame: access_pb2.ConnectRequest) -> bool:
        """Write a frame; False when the stream is over."""
        try:
            async with asyncio.timeout(self._settings.write_timeout_seconds) as self._wait:
                await call.write(frame)
        except TimeoutError:
            raise StreamDeadError("the server does not read") from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.InternalError):
            return False
        finally:
            self._wait = None
        return True
