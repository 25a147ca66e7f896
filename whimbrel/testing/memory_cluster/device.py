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
from whimbrel.client.events import Receipt
from whimbrel.client.farewell import Farewell
from whimbrel.client.settings import ClientSettings
from whimbrel.core.errors import CloseCode
from whimbrel.core.inbox_types import Received, RemoteProtocolError
from whimbrel.core.outgoing import BodyKind, Outgoing
from whimbrel.testing.memory_cluster.record import Given, Record, Reply, digest
from whimbrel.testing.memory_cluster.streams import ClientEnd
from whimbrel.testing.soak.events import (
    Attached,
    Confirmed,
    Delivered,
    Fail,
    Info,
    Invoked,
    Ok,
    Started,
    Stopped,
)

WELCOME_SECONDS = 11.0
_PEACEFUL = frozenset(
    (CloseCode.SHUTDOWN, CloseCode.UNAVAILABLE, CloseCode.OVERLOADED, CloseCode.HEARTBEAT_TIMEOUT)
)
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
        self._record = record
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
        self._record.add(
            Invoked(
                self._record.now(), self.client, identifier, conversation, members, digest(text)
            )
        )
        if after:
            self._record.replies.append(Reply(identifier, after))
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
        now, cursor = self._record.now(), self.dialogue.inbox.cursor
        self._record.add(Stopped(now, self.client, "abandoned"))
        if forgets:
            for identifier in self.waiting:
                self._record.add(Info(now, self.client, identifier, "forgotten"))
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
        now = self._record.now()
        self._record.add(Started(now, self.client, "prompt", durable))
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
                self._judge(None if first is None else self.dialogue.farewell(first))
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
        self._record.add(Attached(now, self.client, welcome.first_seq, welcome.head, welcome.epoch))

    async def _read(self, call: ClientEnd) -> None:
        while (frame := await call.read()) is not None:
            now = self._record.now()
            self._check_order(frame)
            try:
                farewell = self.dialogue.received(frame, now)
            except RemoteProtocolError as error:
                self._record.broken_words.append(f"{self.client}: {error}")
                return
            confirmed = frame.confirmed_cursor or frame.ack_confirmed.cursor
            if confirmed:
                self._record.add(Confirmed(now, self.client, confirmed))
            self._note_answers(now)
            self._changed.set()
            self._arrived.set()
            if farewell is not None:
                self._judge(farewell)
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
            self._note_event(received, now, max(since, idle_since))
            idle_since = self._record.now()
            self._on_heard(self, received)

    # --- the record --------------------------------------------------------------------

    def _note_event(self, received: Received[types_pb2.Message], at: float, since: float) -> None:
        message = received.message
        self._record.given.append(Given(at, self.client, since, message.message_id))
        self._record.add(
            Delivered(
                self._record.now(),
                self.client,
                received.seq,
                message.message_id,
                message.conversation_id,
                received.is_late,
                f"{message.sender_id}/{message.sender_device_id}",
                message.client_message_id,
                digest(message.body.content.decode()),
            )
        )

    def _note_answers(self, now: float) -> None:
        for identifier, answer in self.dialogue.take_outcomes():
            self.waiting.pop(identifier, None)
            if isinstance(answer, Receipt):
                self._record.accepted_at.setdefault(answer.message_id, now)
                self._record.add(
                    Ok(
                        now,
                        self.client,
                        identifier,
                        answer.message_id,
                        answer.seq,
                        answer.conversation_id,
                    )
                )
            else:
                kind = Info if answer.outcome_unknown else Fail
                self._record.add(kind(now, self.client, identifier, answer.code.name))

    def _check_order(self, frame: access_pb2.ConnectResponse) -> None:
        seqs = [entry.seq for entry in frame.deliver.entries]
        if seqs != sorted(seqs):
            self._record.broken_words.append(f"{self.client}: a frame delivered {seqs[:8]}")

    def _judge(self, farewell: Farewell | None) -> None:
        code = None if farewell is None else farewell.code
        # A Hello of an earlier life may still be under way, and arrive as the newest.
        is_own_past = code is CloseCode.SUPERSEDED and self._lives > 1
        if farewell is not None and code is not None and code not in _PEACEFUL and not is_own_past:
            words = f"{self.client}: closed with {code.name}: {farewell.detail}"
            self._record.broken_words.append(words)
