"""A trace on the terminal: who is whose child, when, and for how long."""

from __future__ import annotations

from typing import Any

from whimbrel.cli.waterfall import bar, waterfall

TRACE = "a" * 32


def span(name: str, start: int, duration: int, parent: str = "", **more: Any) -> dict[str, Any]:
    references = [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": parent}] if parent else []
    return {
        "traceID": TRACE,
        "spanID": name,
        "operationName": name,
        "references": references + more.get("links", []),
        "startTime": start,
        "duration": duration,
        "tags": more.get("tags", []),
        "logs": more.get("logs", []),
        "processID": "p1",
    }


def trace_of(*spans: dict[str, Any]) -> dict[str, Any]:
    tags = [{"key": "service.instance.id", "type": "string", "value": "access-0"}]
    processes = {"p1": {"serviceName": "whimbrel-access", "tags": tags}}
    return {"traceID": TRACE, "spans": list(spans), "processes": processes}


def test_children_stand_under_their_parents_in_the_order_of_their_starts() -> None:
    flow = waterfall(
        trace_of(
            span("late", 1_000_900, 50, "root"),
            span("inner", 1_000_200, 100, "early"),
            span("early", 1_000_100, 300, "root"),
            span("root", 1_000_000, 1_000),
        )
    )
    shown = [(line.name, line.depth, line.start_us) for line in flow.lines]
    assert shown == [("root", 0, 0), ("early", 1, 100), ("inner", 2, 200), ("late", 1, 900)]
    assert flow.total_us == 1_000
    assert {line.pod for line in flow.lines} == {"access-0"}


def test_a_span_whose_parent_is_missing_is_shown_all_the_same() -> None:
    flow = waterfall(trace_of(span("orphan", 5, 5, "nobody")))
    assert [(line.name, line.depth) for line in flow.lines] == [("orphan", 0)]


def test_errors_events_and_links_are_told() -> None:
    link = {"refType": "FOLLOWS_FROM", "traceID": "b" * 32, "spanID": "x"}
    failed = [
        {"key": "error", "type": "bool", "value": True},
        {"key": "otel.status_description", "type": "string", "value": "BANNED"},
    ]
    logs = [
        {"timestamp": 1, "fields": [{"key": "event", "type": "string", "value": "redelivered"}]}
    ]
    (line,) = waterfall(trace_of(span("one", 0, 1, links=[link], tags=failed, logs=logs))).lines
    assert line.error == "BANNED"
    assert line.events == ("redelivered",)
    assert line.links == ("b" * 32,)


def test_a_bar_lies_where_its_span_lies_and_is_never_invisible() -> None:
    flow = waterfall(
        trace_of(
            span("root", 0, 1_000), span("half", 500, 500, "root"), span("dot", 1_000, 0, "root")
        )
    )
    by_name = {line.name: bar(line, flow.total_us, 10) for line in flow.lines}
    assert by_name == {
        "root": "█" * 10,
        "half": " " * 5 + "█" * 5,
        "dot": " " * 9 + "█",
    }
