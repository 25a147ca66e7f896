"""The spans of a Logic pod: what it did for each traced message, and the batches that it did it in.

A batch is shared by messages of many traces, so it is a trace of its own, linked both ways.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from services.logic.domain.model import Answer, Outcome, SendTrace, StoredMessage
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.traceparent import TraceContext, parse_traceparent
from whimbrel.runtime.message_spans import destination_attributes, message_attributes
from whimbrel.runtime.tracing import CLIENT, CONSUMER, INTERNAL, PRODUCER, Kind, Tracing


class OtelMessageTraces:
    """The port MessageTraces."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def now(self) -> float:
        return time.monotonic()

    def begin(self, traceparent: str) -> SendTrace | None:
        parent = parse_traceparent(traceparent)
        if parent is None:
            return None
        return SendTrace(self._tracing.begin(parent), parent, self.now())

    def answered(self, trace: SendTrace, conversation: str, outcome: Outcome) -> None:
        attributes = message_attributes("process", "process")
        attributes |= destination_attributes(conversation)
        error = ""
        if isinstance(outcome, Answer):
            attributes["messaging.message.id"] = str(outcome.message_id)
        else:
            error = attributes["error.type"] = outcome.code.name
        self._tracing.record(
            "process",
            trace.context,
            trace.parent,
            trace.arrived_at,
            self.now(),
            attributes,
            kind=CONSUMER,
            error=error,
        )

    def checked(self, traces: Sequence[SendTrace], began: float, ended: float) -> None:
        for trace in traces:
            self._child("check", trace.context, began, ended)

    def committed(
        self,
        traces: Sequence[SendTrace],
        began: float,
        ended: float,
        *,
        messages: int,
        entries: int,
    ) -> None:
        batch = self._tracing.begin()
        attributes = message_attributes("commit batch")
        attributes["messaging.batch.message_count"] = messages
        attributes["whimbrel.commit.entries"] = entries
        self._tracing.record(
            "commit batch",
            batch,
            None,
            began,
            ended,
            attributes,
            links=[trace.context for trace in traces],
        )
        for trace in traces:
            waited = {"whimbrel.waited_ms": round((began - trace.arrived_at) * 1000, 3)}
            self._child("commit", trace.context, began, ended, waited, links=(batch,))

    def fanned_out(
        self, messages: Sequence[StoredMessage], began: float, located: float, *, batch: int
    ) -> None:
        now = self.now()
        for message in messages:
            parent = parse_traceparent(message.traceparent)
            if parent is None:
                continue
            size = {"messaging.batch.message_count": batch}
            self._child("locate", parent, began, located, size, kind=CLIENT)
            recipients = {"whimbrel.recipients": len(message.participants)}
            self._child("fan out", parent, located, now, recipients, kind=PRODUCER)

    def read(self, entries: Sequence[types_pb2.Entry], began: float) -> None:
        now = self.now()
        for entry in entries:
            if entry.traceparent and (parent := parse_traceparent(entry.traceparent)) is not None:
                self._child("sync", parent, began, now, {"whimbrel.page.entries": len(entries)})

    def _child(
        self,
        name: str,
        parent: TraceContext,
        began: float,
        ended: float,
        more: dict[str, int] | dict[str, float] | None = None,
        *,
        kind: Kind = INTERNAL,
        links: Sequence[TraceContext] = (),
    ) -> None:
        self._tracing.record(
            name,
            self._tracing.begin(parent),
            parent,
            began,
            ended,
            more,
            kind=kind,
            links=links,
        )
