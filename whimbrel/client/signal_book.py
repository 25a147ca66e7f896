"""What a client says beside its messages, and what it hears: no I/O, `now` is monotonic seconds.

A read is said again until the server's own receipt for it has come, on whatever stream; whom the
application watches is said again on each stream. Typing is said when it is news, and lost when
nobody is there to hear it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import signals_pb2
from whimbrel.client.signal_events import (
    PresenceEvent,
    ReadEvent,
    SignalEvent,
    event_of,
)

MAX_UNCONFIRMED: Final = 1_000
"""Conversations whose read is not confirmed; beyond it the oldest is forgotten, and what it said
is said by the next read of that conversation."""
MAX_EVENTS: Final = 1_000
"""Events that wait for the application; beyond it the oldest is dropped."""
TYPING_SECONDS: Final = 3.0
"""Between two words that somebody still writes."""
MAX_TYPING: Final = 64
"""Conversations in which typing waits to be said."""
READ_AGAIN_SECONDS: Final = 10.0

_Key = tuple[type[SignalEvent], str, str]


@dataclass(slots=True)
class _Read:
    message_id: int
    due_at: float


class SignalBook:
    """The signals of one client object, through all its streams."""

    def __init__(self, *, is_enabled: bool = False, delivered: bool = False) -> None:
        """`delivered`: take part in delivered receipts."""
        self.is_enabled = is_enabled
        self._delivered = delivered
        self._is_known = False
        self._reads: OrderedDict[str, _Read] = OrderedDict()
        self._watched: tuple[str, ...] = ()
        self._watch_due = False
        self._typing_said: OrderedDict[str, float] = OrderedDict()
        self._typing_due: OrderedDict[str, bool] = OrderedDict()
        self._events: OrderedDict[_Key, SignalEvent] = OrderedDict()
        self.dropped = 0
        """Events that the application did not take in time."""

    @property
    def tells_delivered(self) -> bool:
        """Whether the device takes part in delivered receipts."""
        return self.is_enabled and self._delivered

    # --- streams -----------------------------------------------------------------------------

    def wishes(self) -> access_pb2.SignalWishes | None:
        """For Hello; None says that this client knows no signals."""
        return access_pb2.SignalWishes(delivered=self._delivered) if self.is_enabled else None

    def welcomed(self, knows_signals: bool, now: float) -> None:
        """A stream is attached. What was not confirmed on the last one is due again."""
        self._is_known = knows_signals
        self._watch_due = bool(self._watched)
        for read in self._reads.values():
            read.due_at = now

    def lost(self) -> None:
        """No stream is there."""
        self._is_known = False
        self._typing_due.clear()
        self._typing_said.clear()

    # --- from the application ----------------------------------------------------------------

    def read(self, conversation_id: str, message_id: int, now: float) -> None:
        """A human has read up to this message."""
        known = self._reads.get(conversation_id)
        if known is not None and known.message_id >= message_id:
            return
        self._reads.pop(conversation_id, None)
        self._reads[conversation_id] = _Read(message_id, now)
        if len(self._reads) > MAX_UNCONFIRMED:
            self._reads.popitem(last=False)

    def type(self, conversation_id: str, has_stopped: bool, now: float) -> None:
        """A human writes, or has stopped; call it with every key that is pressed."""
        if not self._is_known:
            return
        said_at = self._typing_said.get(conversation_id)
        if has_stopped:
            if said_at is None:
                return
            del self._typing_said[conversation_id]
        elif said_at is not None and now - said_at < TYPING_SECONDS:
            return
        else:
            self._typing_said.pop(conversation_id, None)
            self._typing_said[conversation_id] = now
        self._typing_due[conversation_id] = has_stopped
        for waiting in (self._typing_due, self._typing_said):
            if len(waiting) > MAX_TYPING:
                waiting.popitem(last=False)

    def watch(self, user_ids: Sequence[str]) -> None:
        """From now on these users."""
        self._watched = tuple(user_ids)
        self._watch_due = True

    @property
    def has_events(self) -> bool:
        """Whether `take` has one."""
        return bool(self._events)

    def take(self) -> SignalEvent | None:
        """The oldest event that waits."""
        return self._events.popitem(last=False)[1] if self._events else None

    # --- frames ------------------------------------------------------------------------------

    def received(self, frame: access_pb2.Signals, user_id: str) -> None:
        """Take a frame of this user's stream. An event replaces an older one of the same thing."""
        for signal in frame.signals:
            event = event_of(signal)
            if event is None:
                continue
            if isinstance(event, ReadEvent) and event.user_id == user_id:
                self._confirm(event)
            self._keep(event)

    def next_frame(self, now: float) -> access_pb2.ConnectRequest | None:
        """The next frame to write now, counted as written; None when there is none."""
        if not self._is_known:
            return None
        if self._watch_due:
            self._watch_due = False
            return access_pb2.ConnectRequest(watch=access_pb2.Watch(user_ids=self._watched))
        if self._typing_due:
            conversation_id, has_stopped = self._typing_due.popitem(last=False)
            typing = signals_pb2.Typing(conversation_id=conversation_id, has_stopped=has_stopped)
            return access_pb2.ConnectRequest(typing=typing)
        for conversation_id, read in self._reads.items():
            if read.due_at <= now:
                read.due_at = now + READ_AGAIN_SECONDS
                said = access_pb2.Read(conversation_id=conversation_id, message_id=read.message_id)
                return access_pb2.ConnectRequest(read=said)
        return None

    def next_deadline(self) -> float | None:
        """When `next_frame` has something new if nothing happens before."""
        if not self._is_known:
            return None
        if self._watch_due or self._typing_due:
            return float("-inf")
        return min((read.due_at for read in self._reads.values()), default=None)

    # --- inside ------------------------------------------------------------------------------

    def _confirm(self, event: ReadEvent) -> None:
        known = self._reads.get(event.conversation_id)
        if known is not None and known.message_id <= event.message_id:
            del self._reads[event.conversation_id]

    def _keep(self, event: SignalEvent) -> None:
        where = "" if isinstance(event, PresenceEvent) else event.conversation_id
        key = (type(event), event.user_id, where)
        self._events.pop(key, None)
        self._events[key] = event
        if len(self._events) > MAX_EVENTS:
            self._events.popitem(last=False)
            self.dropped += 1
