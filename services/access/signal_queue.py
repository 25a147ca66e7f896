"""The signals that wait for one stream: of each thing only the newest, and never many.

A signal says how something stands now, so a newer one replaces the older, and one that does not
fit in is dropped and counted: nobody is owed it. No stream, no clock, no waiting here.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import signals_pb2

MAX_WAITING: Final = 500
"""Different things that may wait for one stream: 100 KiB at most, and more than a person sees."""
MAX_PER_FRAME: Final = 200

Key = tuple[str, str, str]


class SignalQueue:
    """First in, first out, by thing. A receipt never goes back."""

    __slots__ = ("_waiting", "dropped")

    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, signals_pb2.Signal] = OrderedDict()
        self.dropped = 0
        """Signals that were given up because too many waited."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, signal: signals_pb2.Signal) -> None:
        """To be written when there is nothing better to do."""
        key = _key(signal)
        known = self._waiting.get(key)
        if known is None and len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
        elif known is None or _is_newer(signal, known):
            self._waiting[key] = signal

    def take(self) -> access_pb2.ConnectResponse | None:
        """The next frame, or None."""
        if not self._waiting:
            return None
        frame = access_pb2.ConnectResponse()
        count = min(len(self._waiting), MAX_PER_FRAME)
        frame.signals.signals.extend(self._waiting.popitem(last=False)[1] for _ in range(count))
        return frame


def _key(signal: signals_pb2.Signal) -> Key:
    kind = signal.WhichOneof("kind") or ""
    if kind == "presence":
        return kind, signal.presence.user_id, ""
    if kind == "typing":
        return kind, signal.typing.user_id, signal.typing.conversation_id
    receipt = signal.read if kind == "read" else signal.delivered
    return kind, receipt.user_id, receipt.conversation_id


def _is_newer(signal: signals_pb2.Signal, known: signals_pb2.Signal) -> bool:
    if signal.WhichOneof("kind") == "read":
        return signal.read.message_id > known.read.message_id
    if signal.WhichOneof("kind") == "delivered":
        return signal.delivered.message_id > known.delivered.message_id
    return True
