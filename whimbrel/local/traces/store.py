"""The last traces, in memory: a bounded number of them, each with a bounded number of spans."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.proto.trace.v1 import trace_pb2

from whimbrel.local.traces.jaeger_json import Json, process_json, span_json

MAX_SPANS: Final = 2_000
"""Of one trace: a group of 1,000 has fewer than 200."""


@dataclass(slots=True)
class _Trace:
    spans: list[tuple[Json, Json]] = field(default_factory=list)
    """(span, process)"""


class TraceStore:
    """Traces by id, the one longest without news dropped first."""

    def __init__(self, max_traces: int) -> None:
        self._max_traces = max_traces
        self._traces: OrderedDict[str, _Trace] = OrderedDict()
        self.dropped_spans = 0
        """Of traces that had MAX_SPANS already."""

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, resource_spans: trace_pb2.ResourceSpans) -> None:
        """Keep the spans of one process."""
        process = process_json(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                self._add(span, process)

    def find(self, trace_id: str) -> Json | None:
        """The trace with this id (32 hex digits), as Jaeger has it."""
        trace = self._traces.get(trace_id)
        return None if trace is None else _trace_json(trace_id, trace)

    def search(self, service: str, tags: Mapping[str, str], limit: int) -> list[Json]:
        """The newest traces that have a span of this service ("" for any) with all these tags."""
        found: list[Json] = []
        for trace_id, trace in reversed(self._traces.items()):
            if len(found) >= limit:
                break
            if any(_matches(span, process, service, tags) for span, process in trace.spans):
                found.append(_trace_json(trace_id, trace))
        return found

    def services(self) -> list[str]:
        """The services that any trace has spans of."""
        names = {
            process["serviceName"] for one in self._traces.values() for _, process in one.spans
        }
        return sorted(names)

    def _add(self, span: trace_pb2.Span, process: Json) -> None:
        trace_id = span.trace_id.hex()
        trace = self._traces.setdefault(trace_id, _Trace())
        self._traces.move_to_end(trace_id)
        if len(trace.spans) >= MAX_SPANS:
            self.dropped_spans += 1
            return
        trace.spans.append((span_json(span), process))
        if len(self._traces) > self._max_traces:
            self._traces.popitem(last=False)


def _matches(span: Json, process: Json, service: str, tags: Mapping[str, str]) -> bool:
    if service and process["serviceName"] != service:
        return False
    if not tags:
        return True
    said = {tag["key"]: str(tag["value"]) for tag in span["tags"]}
    return all(said.get(key) == value for key, value in tags.items())


def _trace_json(trace_id: str, trace: _Trace) -> Json:
    """Jaeger names each process once, and the spans refer to it."""
    names: dict[int, str] = {}
    processes: Json = {}
    spans = []
    for span, process in trace.spans:
        name = names.get(id(process))
        if name is None:
            name = next((one for one, known in processes.items() if known == process), "")
            name = names[id(process)] = name or f"p{len(processes) + 1}"
            processes[name] = process
        spans.append({**span, "processID": name})
    return {"traceID": trace_id, "spans": spans, "processes": processes, "warnings": None}
