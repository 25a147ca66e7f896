"""The last part of a message's trace: what is in flight on a stream, until its ack or its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.access.delivery_traces import DeliveryTraces
from services.access.frames import Item, deliver, numbered
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.traceparent import TraceContext, parse_traceparent
from whimbrel.runtime.otlp_spans import EncodedSpan
from whimbrel.runtime.settings import PodSettings
from whimbrel.runtime.tracing import Tracing, resource_of

LOGIC = TraceContext(17, 4)


class Stream:
    """As much of a stream as deliveries are followed in."""

    def __init__(self) -> None:
        self.traced: dict[int, Any] = {}
        self.arrived_at: float | None = None
        self.is_superseded = False
        self.end_reason = "gone"


class Given:
    """Traces whose spans are kept, and a stream."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = Tracing(self._exporter, resource_of("access", PodSettings()))
        self.traces = DeliveryTraces(self.tracing)
        self.stream: Any = Stream()

    def spans(self) -> dict[str, Any]:
        """What was recorded, by name."""
        self.tracing.flush()
        found = self._exporter.get_finished_spans()
        return {one.encoded.name: one.encoded for one in found if isinstance(one, EncodedSpan)}

    def events(self) -> list[str]:
        return [event.name for event in self.spans()["deliver"].events]

    def pushed(self, seq: int) -> Item:
        return Item(seq, None, False, self.traces.offered(LOGIC, 77, 1.0))


@pytest.fixture
async def given() -> AsyncIterator[Given]:
    made = Given()
    yield made
    await made.tracing.close()


async def test_a_delivery_lasts_until_its_ack(given: Given) -> None:
    given.traces.written(given.stream, [given.pushed(5), Item(6, None, False)], 2.0)
    given.traces.acknowledged(given.stream, 4, 3.0)
    assert "deliver" not in given.spans()
    given.traces.acknowledged(given.stream, 6, 4.0)
    span = given.spans()["deliver"]
    assert span.end_time_unix_nano - span.start_time_unix_nano == 3_000_000_000
    assert span.parent_span_id == (4).to_bytes(8, "big")
    assert given.spans()["write"].parent_span_id == span.span_id
    assert given.events() == ["acknowledged"]
    assert given.stream.traced == {}


async def test_what_is_written_twice_was_redelivered(given: Given) -> None:
    item = given.pushed(5)
    given.traces.written(given.stream, [item], 2.0)
    given.traces.written(given.stream, [item], 12.0)
    given.traces.acknowledged(given.stream, 5, 13.0)
    span = given.spans()["redeliver"]
    assert span.end_time_unix_nano - span.start_time_unix_nano == 10_000_000_000
    assert given.events() == ["redelivered", "acknowledged"]


async def test_a_stream_that_ends_says_how_far_it_came(given: Given) -> None:
    given.traces.written(given.stream, [given.pushed(5)], 2.0)
    given.traces.left(given.stream, 3.0)
    assert given.spans()["deliver"].status.message == "not acknowledged"
    assert given.events() == ["stream.ended"]


async def test_a_session_that_migrates_is_no_failure(given: Given) -> None:
    given.stream.is_superseded = True
    given.traces.written(given.stream, [given.pushed(5)], 2.0)
    given.traces.left(given.stream, 3.0)
    assert given.spans()["deliver"].status.message == ""
    assert given.events() == ["session.migrated"]


async def test_what_is_read_again_after_a_sync_ends_what_was_in_flight(given: Given) -> None:
    given.traces.written(given.stream, [given.pushed(5)], 2.0)
    given.traces.written(given.stream, [given.pushed(5)], 3.0)
    assert given.events() == ["read.again"]
    assert len(given.stream.traced) == 1


async def test_an_entry_tells_the_device_of_its_trace_and_an_untraced_one_nothing(
    given: Given,
) -> None:
    message = types_pb2.Message(message_id=77)
    page = [
        types_pb2.Entry(seq=1, message=message, traceparent=LOGIC.traceparent),
        types_pb2.Entry(seq=2, message=message),
        types_pb2.Entry(seq=3, message=message, traceparent="nonsense"),
    ]
    frame = deliver(one.item for one in numbered(page, given.traces, 1.0))
    told = [parse_traceparent(entry.traceparent) for entry in frame.deliver.entries]
    assert told[0] is not None
    assert told[0].trace_id == LOGIC.trace_id
    assert told[1:] == [None, None]
    silent = deliver(one.item for one in numbered(page, None, 1.0))
    assert [entry.traceparent for entry in silent.deliver.entries] == [""] * 3


async def test_a_pod_says_once_for_how_many_a_message_has_come(given: Given) -> None:
    delivery = logic_pb2.Delivery(
        message=types_pb2.Message(message_id=77), traceparent=LOGIC.traceparent
    )
    delivery.targets.add(user_id="bob")
    delivery.targets.add(user_id="carol")
    context = given.traces.arrived(delivery, 1.0)
    assert context is not None
    said = {one.key: one.value for one in given.spans()["receive"].attributes}
    assert said["whimbrel.recipients"].int_value == 2
    assert said["messaging.message.id"].string_value == "77"
    delivery.traceparent = "nonsense"
    assert given.traces.arrived(delivery, 1.0) is None
