"""Signals of one pod: what devices say goes to Logic, what Logic says goes to the devices.

Apart from the streams, which only carry them, and from the sessions, which do not know them.
Nothing here is owed to anybody: a read receipt that gets lost is said again by the client, which
waits for its own receipt; presence is asked for again while it is watched.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from services.access.refusals import StreamRefusedError
from services.access.signal_requests import SignalRequests
from services.access.stream_signals import StreamSignals
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import signals_pb2
from whimbrel.core.attributes import check_message_id
from whimbrel.core.errors import CloseCode, WhimbrelError, invalid
from whimbrel.core.names import check_name, direct_participants

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream
    from services.access.session_table import SessionTable

MAX_WATCHED: Final = 200
"""Users that one device may watch: a screen of people, and the work that a change costs."""
MAX_DUE: Final = 50_000
_WATCH_AGAIN_SECONDS: Final = 30.0
"""Logic forgets who watches after 90 s."""
_YIELD_EVERY: Final = 200


class _Receipt(NamedTuple):
    """Which receipt of whom; of each the highest message_id counts."""

    is_read: bool
    user_id: str
    device_id: str
    conversation_id: str


class SignalDesk:
    """One per pod. `run` flushes receipts, `run_watches` keeps presence watched."""

    def __init__(
        self, table: SessionTable, requests: SignalRequests, *, flush_seconds: float
    ) -> None:
        self._table = table
        self._requests = requests
        self._flush_seconds = flush_seconds
        self._due: dict[_Receipt, int] = {}
        self._watchers: dict[str, set[ClientStream]] = defaultdict(set)
        self.dropped = 0
        """Signals of clients that were given up because too many waited, or came too often."""

    # --- the life of a stream ----------------------------------------------------------------

    def open(self, stream: ClientStream, hello: access_pb2.Hello, now: float) -> None:
        """The stream is attached; its client may know signals or not."""
        if hello.HasField("signals"):
            window = stream.services.settings.window_messages
            stream.signals = StreamSignals(stream.user_id, hello.signals, window=window, now=now)

    def close(self, stream: ClientStream) -> None:
        """The stream has ended. Harmless twice."""
        if stream.signals is not None:
            self._watch(stream, stream.signals, ())

    def gone(self, user_ids: Iterable[str]) -> None:
        """Devices of these users have lost their routes."""
        for user_id in user_ids:
            self._requests.presence_changed(user_id)

    # --- from the client ---------------------------------------------------------------------

    def said(self, stream: ClientStream, frame: access_pb2.ConnectRequest, now: float) -> None:
        """A Read, Typing or Watch. Raises StreamRefusedError when it breaks a rule of form."""
        signals = stream.signals
        if signals is None:
            raise StreamRefusedError(
                CloseCode.UNKNOWN_FRAME, "Hello has not said that the client knows signals"
            )
        try:
            if frame.HasField("watch"):
                self._watch(stream, signals, _checked_users(frame.watch))
            elif frame.HasField("read"):
                read = frame.read
                direct_participants(read.conversation_id)
                if not check_message_id(read.message_id):
                    raise invalid("Read.message_id is missing")
                self._keep(stream, read.conversation_id, read.message_id, is_read=True)
            else:
                direct_participants(frame.typing.conversation_id)
                self._type(stream, signals, frame.typing, now)
        except WhimbrelError as error:
            raise StreamRefusedError(CloseCode.INVALID_FRAME, error.detail) from None

    def acknowledged(self, stream: ClientStream, cursor: int) -> None:
        """The device has everything up to here."""
        if stream.signals is not None:
            for conversation_id, message_id in stream.signals.acknowledged(cursor).items():
                self._keep(stream, conversation_id, message_id, is_read=False)

    def _type(
        self,
        stream: ClientStream,
        signals: StreamSignals,
        typing: signals_pb2.Typing,
        now: float,
    ) -> None:
        if not signals.may_type(now):
            self.dropped += 1
            return
        typing.user_id = stream.user_id
        self._requests.raise_signal(
            signals_pb2.Signal(typing=typing), stream.device_id, typing.conversation_id
        )

    def _keep(
        self, stream: ClientStream, conversation_id: str, message_id: int, *, is_read: bool
    ) -> None:
        receipt = _Receipt(is_read, stream.user_id, stream.device_id, conversation_id)
        if receipt not in self._due and len(self._due) >= MAX_DUE:
            self.dropped += 1
            return
        self._due[receipt] = max(message_id, self._due.get(receipt, 0))

    def _watch(
        self, stream: ClientStream, signals: StreamSignals, user_ids: tuple[str, ...]
    ) -> None:
        for user_id in signals.watched:
            watchers = self._watchers[user_id]
            watchers.discard(stream)
            if not watchers:
                del self._watchers[user_id]
        signals.watch(user_ids)
        for user_id in user_ids:
            self._watchers[user_id].add(stream)
        if user_ids:
            self._requests.watch(stream.user_id, stream.device_id, user_ids)

    # --- from Logic --------------------------------------------------------------------------

    def on_response(self, response: logic_pb2.LinkResponse) -> None:
        """Hand on what a batch has brought, after everything else in it."""
        for delivery in response.signals:
            if delivery.signal.HasField("presence"):
                self._changed(delivery.signal.presence)
            else:
                self._deliver(delivery)
        for result in response.watch_results:
            for stream in self._table.of_device(result.viewer_id, result.device_id):
                if stream.signals is not None:
                    stream.signals.shown(_detached(one) for one in result.presences)
                    stream.wake()

    def _deliver(self, delivery: logic_pb2.SignalDelivery) -> None:
        signal = signals_pb2.Signal()
        signal.CopyFrom(delivery.signal)  # must not keep alive the batch in which it came
        said = getattr(signal, signal.WhichOneof("kind") or "typing")
        for user_id in delivery.user_ids:
            for stream in self._table.of_user(user_id):
                is_its_own = (
                    stream.device_id == delivery.except_device_id and user_id == said.user_id
                )
                if stream.signals is not None and not is_its_own and stream.signals.put(signal):
                    stream.wake()

    def _changed(self, presence: signals_pb2.Presence) -> None:
        presence = _detached(presence)
        for stream in self._watchers.get(presence.user_id, ()):
            if stream.signals is not None and stream.signals.changed(presence):
                stream.wake()

    # --- loops -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Flush receipts, until cancelled."""
        while True:
            await asyncio.sleep(self._flush_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Say every receipt that waits. What is dropped is lost: see the module."""
        due, self._due = self._due, {}
        for number, (receipt, message_id) in enumerate(due.items(), 1):
            signal = signals_pb2.Signal()
            said = signal.read if receipt.is_read else signal.delivered
            said.conversation_id = receipt.conversation_id
            said.user_id = receipt.user_id
            said.message_id = message_id
            self._requests.raise_signal(signal, receipt.device_id, receipt.conversation_id)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def run_watches(self) -> None:
        """Ask again for everybody who is watched, until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_AGAIN_SECONDS)
            watching = {stream for streams in self._watchers.values() for stream in streams}
            for number, stream in enumerate(watching, 1):
                if stream.signals is not None and stream.signals.watched:
                    self._requests.watch(stream.user_id, stream.device_id, stream.signals.watched)
                if number % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)


def _checked_users(watch: access_pb2.Watch) -> tuple[str, ...]:
    users = tuple(watch.user_ids)
    if len(users) > MAX_WATCHED:
        raise invalid(f"Watch names at most {MAX_WATCHED} users, not {len(users)}")
    if len(set(users)) != len(users):
        raise invalid("Watch names somebody twice")
    for user_id in users:
        check_name(user_id, "Watch.user_ids")
    return users


def _detached(presence: signals_pb2.Presence) -> signals_pb2.Presence:
    copy = signals_pb2.Presence()
    copy.CopyFrom(presence)
    return copy
