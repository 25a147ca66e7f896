"""The collector of a local stack keeps what was last, a bounded number, and finds it."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.trace.v1 import trace_pb2

from whimbrel.local.traces.query import QueryApp
from whimbrel.local.traces.store import MAX_SPANS, TraceStore


def spans_of(service: str, *traces: int, message_id: str = "") -> trace_pb2.ResourceSpans:
    made = trace_pb2.ResourceSpans()
    made.resource.attributes.add(key="service.name").value.string_value = service
    scope = made.scope_spans.add()
    for number, trace in enumerate(traces):
        span = scope.spans.add(
            trace_id=trace.to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"), name="one"
        )
        if message_id:
            span.attributes.add(key="messaging.message.id").value.string_value = message_id
    return made


def test_the_trace_without_news_for_longest_makes_room() -> None:
    store = TraceStore(2)
    for trace in (1, 2, 1, 3):
        store.add(spans_of("a", trace))
    assert len(store) == 2
    assert store.find(f"{1:032x}") is not None
    assert store.find(f"{2:032x}") is None
    assert store.find(f"{3:032x}") is not None


def test_a_trace_has_a_bounded_number_of_spans() -> None:
    store = TraceStore(2)
    store.add(spans_of("a", *([7] * (MAX_SPANS + 5))))
    found = store.find(f"{7:032x}")
    assert found is not None
    assert len(found["spans"]) == MAX_SPANS
    assert store.dropped_spans == 5


def test_spans_of_several_services_are_one_trace() -> None:
    store = TraceStore(2)
    store.add(spans_of("a", 1))
    store.add(spans_of("b", 1))
    store.add(spans_of("a", 1))
    found = store.find(f"{1:032x}")
    assert found is not None
    assert sorted(one["serviceName"] for one in found["processes"].values()) == ["a", "b"]
    assert store.services() == ["a", "b"]


def test_a_message_is_found_by_service_and_tag() -> None:
    store = TraceStore(5)
    store.add(spans_of("a", 1, message_id="77"))
    store.add(spans_of("a", 2, message_id="78"))
    tags = {"messaging.message.id": "77"}
    assert [one["traceID"] for one in store.search("a", tags, 20)] == [f"{1:032x}"]
    assert store.search("b", tags, 20) == []
    assert [one["traceID"] for one in store.search("", {}, 1)] == [f"{2:032x}"], "the newest first"


async def answer(method: str, path: str, query: str = "") -> tuple[int, dict[str, Any]]:
    store = TraceStore(5)
    store.add(spans_of("a", 1, message_id="77"))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("there is no body")

    scope = {"method": method, "path": path, "query_string": query.encode()}
    await QueryApp(store)(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_the_query_api_answers_as_jaeger_does() -> None:
    status, said = await answer("GET", f"/api/traces/{1:032x}")
    assert status == 200
    assert said["data"][0]["traceID"] == f"{1:032x}"
    assert (await answer("GET", "/api/services"))[1]["data"] == ["a"]
    status, said = await answer(
        "GET", "/api/traces", 'service=a&tags={"messaging.message.id":"77"}'
    )
    assert status == 200
    assert len(said["data"]) == 1


async def test_whatever_else_is_asked_is_told_so() -> None:
    for method, path, query, expected in (
        ("GET", f"/api/traces/{9:032x}", "", 404),
        ("GET", "/search", "", 404),
        ("POST", "/api/traces", "", 405),
        ("GET", "/api/traces", "tags=nonsense", 400),
        ("GET", "/api/traces", "tags=[1]", 400),
        ("GET", "/api/traces", "limit=0", 400),
        ("GET", "/api/traces", "limit=many", 400),
    ):
        status, said = await answer(method, path, query)
        assert status == expected, (path, query)
        assert said["errors"]
