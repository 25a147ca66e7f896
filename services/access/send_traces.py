"""The beginning of a message's trace: at its sender's pod, decided once, before anything of it is
parsed. Everybody after this pod only looks whether there is a traceparent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from whimbrel.core.drain.pacing import TokenBucket
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.traceparent import TraceContext, parse_traceparent
from whimbrel.runtime.message_spans import message_attributes
from whimbrel.runtime.tracing import CLIENT, SERVER, Tracing
from whimbrel.runtime.tracing_settings import TracingSettings

if TYPE_CHECKING:
    from services.access.pending import PendingSend


class SendTrace(NamedTuple):
    """A traced send on its way to Logic; `received_at` is monotonic seconds."""

    context: TraceContext
    parent: TraceContext | None
    received_at: float


class SendTraces:
    """Begins traces and records what this pod did for them. One per pod."""

    def __init__(
        self,
        tracing: Tracing,
        settings: TracingSettings,
        *,
        clock: Callable[[], float],
        dice: Callable[[], float],
    ) -> None:
        """`dice`: at random in [0, 1)."""
        self._tracing = tracing
        self._ratio = settings.ratio
        self._clock = clock
        self._dice = dice
        per_second = settings.client_traces_per_second
        self._of_clients = (
            TokenBucket(per_second, max(1.0, per_second), clock()) if per_second else None
        )

    def begin(self, traceparent: str, now: float) -> SendTrace | None:
        """Whether a message is traced: as its client says, within the rate that this pod permits
        them; else by chance."""
        if traceparent and (parent := parse_traceparent(traceparent)) is not None:
            if self._of_clients is None or not self._of_clients.take(now):
                return None
            return SendTrace(self._tracing.begin(parent), parent, now)
        if self._dice() >= self._ratio:
            return None
        return SendTrace(self._tracing.begin(), None, now)

    def linked(self, traces: Sequence[SendTrace], began: float) -> None:
        """A frame with these messages, and others, was written to a Logic pod since `began`."""
        now = self._clock()
        frame = self._tracing.begin()
        self._tracing.record(
            "link frame",
            frame,
            None,
            began,
            now,
            {"messaging.system": "whimbrel", "messaging.operation.name": "link frame"},
            kind=CLIENT,
            links=[trace.context for trace in traces],
        )
        for context, _, received_at in traces:
            self._tracing.record(
                "link",
                self._tracing.begin(context),
                context,
                received_at,
                now,
                links=(frame,),
            )

    def accepted(self, send: PendingSend, message_id: int, now: float) -> None:
        """The sender is told that its message is durable."""
        self._answered(send, message_attributes("accept", "receive", message_id), now)

    def refused(self, send: PendingSend, error: WhimbrelError) -> None:
        """The sender is told that it is not, or that nobody knows."""
        attributes = message_attributes("accept", "receive") | {"error.type": error.code.name}
        self._answered(send, attributes, self._clock(), error.code.name)

    def _answered(
        self, send: PendingSend, attributes: dict[str, str | int], now: float, error: str = ""
    ) -> None:
        trace = send.trace
        if trace is None:
            return
        if send.conversation_id.startswith("g:"):
            attributes["messaging.destination.name"] = send.conversation_id
        self._tracing.record(
            "accept",
            trace.context,
            trace.parent,
            trace.received_at,
            now,
            attributes,
            kind=SERVER,
            error=error,
        )
