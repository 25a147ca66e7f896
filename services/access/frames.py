"""Frames to clients: how entries, results and goodbyes become as few frames as possible.

A frame costs 25 µs and more, an item in it next to nothing, so everything that is ready goes
into one frame of its kind. No stream, no clock, no waiting here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from google.protobuf.message import Message as ProtoMessage

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.errors import CloseCode, WhimbrelError
from whimbrel.core.window import Numbered

if TYPE_CHECKING:
    from services.access.delivery_traces import DeliveryTraces, EntryTrace

M = TypeVar("M")
P = TypeVar("P", bound=ProtoMessage)

MAX_FRAME_BYTES: Final = 256 * 1024
DELIVER_BYTES: Final = MAX_FRAME_BYTES - 4 * 1024
"""Entries in one Deliver, leaving room for its own framing."""
ENTRY_OVERHEAD_BYTES: Final = 24
"""What an entry costs beyond its message: seq, late, tags and lengths."""
TRACEPARENT_BYTES: Final = 57
"""What a traced entry costs more."""
_RESULTS_PER_FRAME: Final = 500


class Item(NamedTuple):
    """An entry as it waits for its reader. Recipients of a message share the message object."""

    seq: int
    message: types_pb2.Message | None
    late: bool
    trace: EntryTrace | None = None
    """None: its delivery is not traced."""


def detached(message: P) -> P:
    """A copy that does not keep alive the batch (up to 1 MiB) in which it came."""
    (copy := type(message)()).CopyFrom(message)
    return copy


def numbered(
    entries: Iterable[types_pb2.Entry], traces: DeliveryTraces | None, now: float
) -> list[Numbered[Item]]:
    """A page of a detached result, as a session takes it. Its messages share the page's memory:
    one copy of it costs a quarter of a copy of each."""
    page = []
    for entry in entries:
        message = entry.message if entry.HasField("message") else None
        size = ENTRY_OVERHEAD_BYTES + (message.ByteSize() if message is not None else 0)
        trace = None
        if entry.traceparent and traces is not None:
            trace = traces.read(entry, now)
            size += TRACEPARENT_BYTES
        page.append(Numbered(entry.seq, size, Item(entry.seq, message, entry.late, trace)))
    return page


def deliver(items: Iterable[Item]) -> access_pb2.ConnectResponse:
    """One Deliver of these entries."""
    frame = access_pb2.ConnectResponse()
    entries = frame.deliver.entries
    for seq, message, late, trace in items:
        entry = entries.add(seq=seq, late=late)
        if message is not None:
            entry.message.CopyFrom(message)
        if trace is not None:
            entry.traceparent = trace.context.traceparent
    return frame


def close(code: CloseCode, detail: str, retry_after_ms: int = 0) -> access_pb2.ConnectResponse:
    """The last frame of a stream."""
    return access_pb2.ConnectResponse(
        close=access_pb2.Close(
            code=access_pb2.CloseCode.ValueType(code), detail=detail, retry_after_ms=retry_after_ms
        )
    )


def fin(last_seq: int) -> access_pb2.ConnectResponse:
    """The last frame of a stream whose client is already on a newer one."""
    return access_pb2.ConnectResponse(fin=access_pb2.Fin(last_seq=last_seq))


def redirect(targets: Iterable[access_pb2.Target], jitter_ms: int) -> access_pb2.ConnectResponse:
    """The last frame of a stream whose client shall go on at one of these."""
    return access_pb2.ConnectResponse(
        redirect=access_pb2.Redirect(targets=targets, jitter_ms=jitter_ms)
    )


def busy(targets: Iterable[access_pb2.Target], retry_after_ms: int) -> access_pb2.ConnectResponse:
    """The only frame of a stream for which there is no room now."""
    return access_pb2.ConnectResponse(
        busy=access_pb2.Busy(targets=targets, retry_after_ms=retry_after_ms)
    )


def rejected(client_message_id: str, error: WhimbrelError) -> access_pb2.RejectedMessage:
    """One refused message."""
    return access_pb2.RejectedMessage(
        client_message_id=client_message_id,
        code=types_pb2.ErrorCode.ValueType(error.code),
        detail=error.detail,
        retry_after_ms=round((error.retry_after_seconds or 0.0) * 1000),
        outcome_unknown=error.outcome_unknown,
    )


class Outbound:
    """What waits to be written on one stream, except for entries (the session has those).

    Bounded by its users: results by the unanswered sends, the rest coalesces.
    """

    __slots__ = (
        "_accepted",
        "_confirmed",
        "_is_awaited",
        "_migrate",
        "_pong",
        "_rejected",
        "_resumed",
        "_welcome",
    )

    def __init__(self) -> None:
        self._welcome: access_pb2.Welcome | None = None
        # Lists: an empty deque is 0.6 KiB, of each stream.
        self._accepted: list[access_pb2.AcceptedMessage] = []
        self._rejected: list[access_pb2.RejectedMessage] = []
        self._confirmed = 0
        self._is_awaited = False
        self._pong: access_pb2.Pong | None = None
        self._migrate: access_pb2.Migrate | None = None
        self._resumed: access_pb2.Resumed | None = None

    @property
    def results(self) -> int:
        """Answers to sends that were not taken."""
        return len(self._accepted) + len(self._rejected)

    @property
    def empty(self) -> bool:
        """Whether `take` has nothing."""
        return not (
            self._accepted
            or self._rejected
            or (self._confirmed and self._is_awaited)
            or self._pong is not None
            or self._welcome is not None
            or self._migrate is not None
            or self._resumed is not None
        )

    def welcome(self, welcome: access_pb2.Welcome) -> None:
        """To be the first frame."""
        self._welcome = welcome

    def accept(self, message: access_pb2.AcceptedMessage) -> None:
        """A message is durable."""
        self._accepted.append(message)

    def reject(self, message: access_pb2.RejectedMessage) -> None:
        """A message was refused."""
        self._rejected.append(message)

    def confirm(self, cursor: int) -> None:
        """An ack is stored; a higher one says it for all below. It goes along with the next
        frame, whatever that is: one of its own would cost as much as a message."""
        self._confirmed = max(self._confirmed, cursor)

    def hasten(self) -> None:
        """The client waits for the confirmation: it goes alone if need be."""
        self._is_awaited = True

    def pong(self, pong: access_pb2.Pong) -> None:
        """The answer to the last ping; it keeps what one that still waits has to say."""
        if self._pong is None:
            self._pong = pong
        else:
            self._pong.MergeFrom(pong)

    def migrate(self, migrate: access_pb2.Migrate) -> None:
        """Please move; a newer one replaces one that was not written yet."""
        self._migrate = migrate

    def resumed(self, epoch: int) -> None:
        """The stream is the session again."""
        self._resumed = access_pb2.Resumed(epoch=epoch)

    def take(self) -> access_pb2.ConnectResponse | None:
        """The next frame, or None."""
        return self._take_first() or self._take_results() or self._take_words()

    def stamp(self, frame: access_pb2.ConnectResponse) -> access_pb2.ConnectResponse:
        """Let a confirmation that waits go with this frame."""
        if self._confirmed:
            frame.confirmed_cursor = self._take_confirmed()
        return frame

    def _take_confirmed(self) -> int:
        cursor, self._confirmed = self._confirmed, 0
        return cursor

    def _take_first(self) -> access_pb2.ConnectResponse | None:
        if self._welcome is not None:
            welcome, self._welcome = self._welcome, None
            return access_pb2.ConnectResponse(welcome=welcome)
        if self._resumed is not None:
            resumed, self._resumed = self._resumed, None
            return access_pb2.ConnectResponse(resumed=resumed)
        return None

    def _take_results(self) -> access_pb2.ConnectResponse | None:
        if self._accepted:
            accepted = access_pb2.Accepted(messages=_some(self._accepted))
            return access_pb2.ConnectResponse(accepted=accepted)
        if self._rejected:
            rejected = access_pb2.Rejected(messages=_some(self._rejected))
            return access_pb2.ConnectResponse(rejected=rejected)
        return None

    def _take_words(self) -> access_pb2.ConnectResponse | None:
        if self._pong is not None:
            pong, self._pong = self._pong, None
            return access_pb2.ConnectResponse(pong=pong)
        if self._migrate is not None:
            migrate, self._migrate = self._migrate, None
            return access_pb2.ConnectResponse(migrate=migrate)
        if self._confirmed and self._is_awaited:
            confirmed = access_pb2.AckConfirmed(cursor=self._take_confirmed())
            return access_pb2.ConnectResponse(ack_confirmed=confirmed)
        return None


def _some(waiting: list[M]) -> list[M]:
    taken = waiting[:_RESULTS_PER_FRAME]
    del waiting[:_RESULTS_PER_FRAME]
    return taken
