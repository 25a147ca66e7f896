"""Signals between the wire and Logic's own nouns."""

from __future__ import annotations

from services.logic.domain.signals import PresenceState, Signal, SignalKind
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import signals_pb2


def signal_of(raised: logic_pb2.RaisedSignal) -> Signal | None:
    """What a device has said; None for a kind that this version does not pass on."""
    signal = raised.signal
    kind = signal.WhichOneof("kind")
    if kind == "typing":
        typing = signal.typing
        return Signal(
            SignalKind.TYPING,
            typing.user_id,
            typing.conversation_id,
            raised.device_id,
            has_stopped=typing.has_stopped,
        )
    if kind in {"read", "delivered"}:
        receipt = signal.read if kind == "read" else signal.delivered
        return Signal(
            SignalKind(kind),
            receipt.user_id,
            receipt.conversation_id,
            raised.device_id,
            receipt.message_id,
        )
    return None


def signal_to_wire(signal: Signal) -> signals_pb2.Signal:
    """A signal as clients get it."""
    wired = signals_pb2.Signal()
    if signal.kind is SignalKind.TYPING:
        wired.typing.conversation_id = signal.conversation
        wired.typing.user_id = signal.user
        wired.typing.has_stopped = signal.has_stopped
        return wired
    receipt = wired.read if signal.kind is SignalKind.READ else wired.delivered
    receipt.conversation_id = signal.conversation
    receipt.user_id = signal.user
    receipt.message_id = signal.message_id
    return wired


def presence_to_wire(state: PresenceState) -> signals_pb2.Presence:
    """How somebody looks to others."""
    return signals_pb2.Presence(
        user_id=state.user, platforms=state.platforms, last_seen_ms=state.last_seen_ms
    )
