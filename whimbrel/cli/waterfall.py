"""A trace as a waterfall: one line a span, children under their parents, bars over time. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SpanLine:
    """One span. Times are microseconds; `start` is since the trace's first span."""

    name: str
    service: str
    pod: str
    depth: int
    start_us: int
    duration_us: int
    span_id: str
    error: str = ""
    links: tuple[str, ...] = ()
    """Ids of the traces of batches that it was part of."""
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waterfall:
    """The lines in order, and how long all of it took."""

    trace_id: str
    total_us: int
    lines: list[SpanLine] = field(default_factory=list)


def waterfall(trace: Mapping[str, Any]) -> Waterfall:
    """Of a trace as Jaeger's query API gives it. A span whose parent is not there stands at the
    left, as a root does."""
    spans = trace["spans"]
    first = min(span["startTime"] for span in spans)
    last = max(span["startTime"] + span["duration"] for span in spans)
    known = {span["spanID"] for span in spans}
    children: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for span in sorted(spans, key=lambda one: (one["startTime"], -one["duration"])):
        parent = parent_of(span)
        children[parent if parent in known else ""].append(span)
    lines = list(_walk(children, "", 0, first, trace["processes"]))
    return Waterfall(trace["traceID"], last - first, lines)


def bar(line: SpanLine, total_us: int, width: int) -> str:
    """Where it lies in the whole, as `width` characters."""
    scale = width / max(1, total_us)
    begin = min(width - 1, int(line.start_us * scale))
    length = max(1, min(width - begin, round(line.duration_us * scale)))
    return " " * begin + "█" * length + " " * (width - begin - length)


def parent_of(span: Mapping[str, Any]) -> str:
    """The id of the span's parent; empty for a root."""
    for reference in span["references"]:
        if reference["refType"] == "CHILD_OF" and reference["traceID"] == span["traceID"]:
            return str(reference["spanID"])
    return ""


def _walk(
    children: Mapping[str, Sequence[Mapping[str, Any]]],
    parent: str,
    depth: int,
    first: int,
    processes: Mapping[str, Any],
) -> Iterator[SpanLine]:
    for span in children.get(parent, ()):
        yield _line(span, depth, first, processes[span["processID"]])
        yield from _walk(children, span["spanID"], depth + 1, first, processes)


def _line(span: Mapping[str, Any], depth: int, first: int, process: Mapping[str, Any]) -> SpanLine:
    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
    about = {tag["key"]: tag["value"] for tag in process["tags"]}
    return SpanLine(
        name=span["operationName"],
        service=process["serviceName"],
        pod=str(about.get("service.instance.id", "")),
        depth=depth,
        start_us=span["startTime"] - first,
        duration_us=span["duration"],
        span_id=span["spanID"],
        error=str(tags.get("otel.status_description", "failed")) if tags.get("error") else "",
        links=tuple(
            reference["traceID"]
            for reference in span["references"]
            if reference["refType"] == "FOLLOWS_FROM"
        ),
        events=tuple(
            str(said["value"])
            for log in span["logs"]
            for said in log["fields"]
            if said["key"] == "event"
        ),
    )
