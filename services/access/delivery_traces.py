"""The end of a message's trace: from its arrival at a recipient's pod to the device's ack.

A delivery is followed in the entry itself while it waits, and in its stream while it is in
flight; an untraced one costs a look at a field. Recipients are few: Logic says whom to follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.traceparent import TraceContext, parse_traceparent
from whimbrel.runtime.message_spans import message_attributes
from whimbrel.runtime.tracing import CONSUMER, PRODUCER, Moment, Tracing

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream
    from services.access.frames import Item


@dataclass(slots=True)
class EntryTrace:
    """One traced entry on its way to one device. Moments are monotonic seconds."""

    context: TraceContext
    parent: TraceContext
    message_id: int
    source: str
    """"push", or "backlog" for what was read from the timeline."""
    offered_at: float
    written_at: float | None = None
    moments: list[Moment] = field(default_factory=list)


class DeliveryTraces:
    """Records deliveries. One per pod."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def arrived(self, delivery: logic_pb2.Delivery, now: float) -> TraceContext | None:
        """A traced message has come for users of this pod; what its deliveries are children of."""
        parent = parse_traceparent(delivery.traceparent)
        if parent is None:
            return None
        context = self._tracing.begin(parent)
        attributes = message_attributes("receive", "receive", delivery.message.message_id)
        attributes["whimbrel.recipients"] = len(delivery.targets)
        self._tracing.record("receive", context, parent, now, now, attributes, kind=CONSUMER)
        return context

    def offered(self, parent: TraceContext, message_id: int, now: float) -> EntryTrace:
        """It is pushed to one device."""
        return EntryTrace(self._tracing.begin(parent), parent, message_id, "push", now)

    def read(self, entry: types_pb2.Entry, now: float) -> EntryTrace | None:
        """A traced entry has come with a page of the timeline."""
        parent = parse_traceparent(entry.traceparent)
        if parent is None:
            return None
        context = self._tracing.begin(parent)
        return EntryTrace(context, parent, entry.message.message_id, "backlog", now)

    def written(self, stream: ClientStream, items: Sequence[Item], now: float) -> None:
        """These entries are written to the stream now, some of them for the second time."""
        for item in items:
            trace = item.trace
            if trace is None:
                continue
            if trace.written_at is None:
                trace.written_at = now
                if (old := stream.traced.get(item.seq)) is not None:
                    old.moments.append(Moment("read.again", now, {}))
                    self._end(old, now)
                stream.traced[item.seq] = trace
                if stream.arrived_at is not None:
                    trace.moments.append(Moment("session.arrived", stream.arrived_at, {}))
                self._step("write", trace, trace.offered_at, now)
            else:
                trace.moments.append(Moment("redelivered", now, {}))
                self._step("redeliver", trace, trace.written_at, now)

    def acknowledged(self, stream: ClientStream, cursor: int, now: float) -> None:
        """The device has everything up to `cursor`."""
        for seq in [seq for seq in stream.traced if seq <= cursor]:
            trace = stream.traced.pop(seq)
            trace.moments.append(Moment("acknowledged", now, {}))
            self._end(trace, now)

    def left(self, stream: ClientStream, now: float) -> None:
        """The stream has ended: what is in flight on it may be acknowledged on another one."""
        for trace in stream.traced.values():
            how = "session.migrated" if stream.is_superseded else "stream.ended"
            trace.moments.append(Moment(how, now, {"whimbrel.reason": stream.end_reason}))
            self._end(trace, now, "" if stream.is_superseded else "not acknowledged")
        stream.traced.clear()

    def _step(self, name: str, trace: EntryTrace, started: float, now: float) -> None:
        self._tracing.record(
            name,
            self._tracing.begin(trace.context),
            trace.context,
            started,
            now,
        )

    def _end(self, trace: EntryTrace, now: float, error: str = "") -> None:
        attributes = message_attributes("deliver", "send", trace.message_id)
        attributes["whimbrel.delivery.source"] = trace.source
        self._tracing.record(
            "deliver",
            trace.context,
            trace.parent,
            trace.offered_at,
            now,
            attributes,
            kind=PRODUCER,
            moments=trace.moments,
            error=error,
        )
