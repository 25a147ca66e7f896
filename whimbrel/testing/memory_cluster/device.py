"""One device of one user: the SDK's own dialogue, driven on streams in memory, on record.

Its application handles each message in one transaction with its cursor, so a device that is
killed and started again must not be given anything twice; one that loses its memory begins where
the server says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from random import Random

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.farewell import Farewell
from whimbrel.client.settings import ClientSettings
from whimbrel.core.inbox_types import Received, RemoteProtocolError
from whimbrel.core.outgoing import BodyKind, Outgoing
from whimbrel.testing.memory_cluster.device_record import DeviceRecord
from whimbrel.testing.memory_cluster.record import Record
from whimbrel.testing.memory_cluster.streams import ClientEnd

WELCOME_SECONDS = 11.0
Heard = Callable[["Device", Received[types_pb2.Message]], None]


class Device:
    """`run` is its task, for ever; `restart` ends one life of the program and begins another."""

    def __init__(
        self,
        user: str,
        name: str,
        connect: Callable[[], ClientEnd | None],
        record: Record,
        random: Random,
        *,
        think_seconds: float,
        on_heard: Heard,
    ) -> None:
        self.user = user
        self.name = name
        self.client = f"{user}/{name}"
        self.waiting: dict[str, Outgoing] = {}
        """Messages without an answer."""
        self._connect = connect
        self._record = DeviceRecord(record, self.client)
        self._random = random
        self._think_seconds = think_seconds
        self._on_heard = on_heard
        self._lives = 0
        self._numbers = 0
        self._call: ClientEnd | None = None
        self._life: asyncio.Task[None] | None = None
        self._since = 0.0
        self._changed = asyncio.Event()
        self._arrived = asyncio.Event()
        self._highest: dict[str, int] = {}
        self.dialogue = self._begin(0, durable=True)

    # --- for the world -----------------------------------------------------------------

    @property
    def is_current(self) -> bool:
        """Whether it is attached and has handled what it was told of, and owes nothing."""
        inbox = self.dialogue.inbox
        return self.dialogue.is_attached and not self.waiting and not inbox.has_waiting

    def say(self, conversation: str, text: str, members: tuple[str, ...], after: int = 0) -> None:
        """Send; `after` is a message of this conversation that the writer has just seen."""
        self._numbers += 1
        identifier = f"{self.user}.{self.name}.{self._numbers}"
        message = Outgoing(identifier, BodyKind.TEXT, text.encode(), conversation)
        self.dialogue.outbox.add(message)
        self.waiting[identifier] = message
        self._record.said(identifier, conversation, members, text, after)
        self._changed.set()

    def cut(self) -> None:
        """Its connection breaks."""
        if self._call is not None:
            self._call.cancel()

    def half_open(self, seconds: float) -> None:
        """Its connection breaks, and the pod finds out later."""
        if self._call is not None:
            self._call.half_open(seconds)

    def restart(self, *, forgets: bool) -> None:
        """The program is killed and started again; `forgets`: it lost what it had stored."""
        self.cut()
        if self._life is not None:
            self._life.cancel()
        cursor = self.dialogue.inbox.cursor
        self._record.stopped()
        if forgets:
            for identifier in self.waiting:
                self._record.forgot(identifier)
            self.waiting.clear()
            self._highest.clear()
            cursor = None
        elif cursor is not None:
            self._highest |= self.dialogue.inbox.passed(cursor)
        self.dialogue = self._begin(cursor, durable=not forgets)

    async def run(self) -> None:
        """Live, again and again, until cancelled."""
        while True:
            async with asyncio.TaskGroup() as tasks:
                self._life = tasks.create_task(self._live())
            # A life that was ended leaves a new dialogue behind.

    # --- one life ----------------------------------------------------------------------

    def _begin(self, cursor: int | None, *, durable: bool) -> Dialogue:
        self._lives += 1
        self._record.started(durable=durable)
        return Dialogue(
            device_id=self.name,
            instance_id=f"{self.user}.{self.name}.{self._lives}",
            client="memory-cluster",
            settings=ClientSettings(),
            cursor=cursor,
            highest=self._highest,
            owner=(self.user, self.name),
            outgoing=self.waiting.values(),
        )

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._handle_events())
            while True:
                self._call = self._connect()
                if self._call is not None:
                    await self._stream(self._call)
                    self._call = None
                await asyncio.sleep(0.05 + 0.35 * self._random.random())

    async def _stream(self, call: ClientEnd) -> None:
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                await call.write(self.dialogue.hello(self.user))
                first = await call.read()
            if first is None or not first.HasField("welcome"):
                self._closed(None if first is None else self.dialogue.farewell(first))
                return
            self._welcomed(first.welcome)
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write(call))
                await self._read(call)
                writing.cancel()
        except (TimeoutError, asyncio.InvalidStateError):
            return
        finally:
            call.cancel()
            self.dialogue.lost()

    def _welcomed(self, welcome: access_pb2.Welcome) -> None:
        now = self._record.now()
        self.dialogue.welcomed(welcome, now)
        self._since = now
        self._record.welcomed(welcome, now)

    async def _read(self, call: ClientEnd) -> None:
        while (frame := await call.read()) is not None:
            now = self._record.now()
            self._record.check_order(frame)
            try:
                farewell = self.dialogue.received(frame, now)
            except RemoteProtocolError as error:
                self._record.broken(str(error))
                return
            self._record.heard(frame, now)
            for identifier, answer in self.dialogue.take_outcomes():
                self.waiting.pop(identifier, None)
                self._record.answered(identifier, answer, now)
            self._changed.set()
            self._arrived.set()
            if farewell is not None:
                self._closed(farewell)
                return

    async def _write(self, call: ClientEnd) -> None:
        while not self.dialogue.is_dead(self._record.now()):
            frame = self.dialogue.next_frame(self._record.now())
            if frame is not None:
                try:
                    await call.write(frame)
                except asyncio.InvalidStateError:
                    return  # the reader finds out too
                continue
            deadline = self.dialogue.next_deadline()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(
                    None if deadline is None else max(deadline, self._record.now() + 0.001)
                ):
                    await self._changed.wait()
        call.cancel()

    async def _handle_events(self) -> None:
        idle_since = 0.0
        while True:
            inbox, now = self.dialogue.inbox, self._record.now()
            received = inbox.take(now)
            if received is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            since = self._since
            if self._think_seconds:
                await asyncio.sleep(self._think_seconds * self._random.random())
            inbox.finish(self._record.now())
            self._changed.set()
            self._record.given(received, now, max(since, idle_since))
            idle_since = self._record.now()
            self._on_heard(self, received)

    def _closed(self, farewell: Farewell | None) -> None:
        self._record.closed(farewell, has_past=self._lives > 1)
