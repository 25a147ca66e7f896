"""One message is one trace, whatever its way: every hop is there, and all are connected."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from typer.testing import CliRunner, Result

from tests.e2e.trace_world import RECIPIENT, SENDER, Traced, device, listening, traced_stack
from tests.waiting import until
from whimbrel.cli.app import app
from whimbrel.cli.trace_query import find_trace
from whimbrel.client import connect
from whimbrel.local.stack import Stack, StackSpec

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with traced_stack(StackSpec(access=2, logic=2, gateway=0, push=0, drain=0)) as started:
        yield started


async def test_a_direct_message_is_one_trace_from_its_sender_to_the_ack(stack: Stack) -> None:
    async with (
        device(stack, "alice") as alice,
        device(stack, "bob", 1) as bob,
        listening(bob) as texts,
    ):
        receipt = await alice.send("bob", "hello")
        await until(lambda: texts)
    traced = Traced(stack, receipt.trace_id)
    await traced.wait_for(*SENDER, *RECIPIENT)
    assert traced.is_connected(), traced.names()
    assert traced.events("deliver") == ["acknowledged"]
    lines = {line.name: line for line in traced.shown().lines}
    assert {lines["link"].pod[:6], lines["process"].pod[:6], lines["deliver"].pod[:6]} == {
        "access",
        "logic-",
    }
    for batch in ("link", "commit"):
        (linked,) = lines[batch].links
        found = await asyncio.to_thread(find_trace, stack.traces_url, linked)
        assert found is not None, f"the batch of {batch} is a trace of its own"
        (span,) = found["spans"]
        assert receipt.trace_id in {one["traceID"] for one in span["references"]}


async def test_a_message_is_found_by_its_id(stack: Stack) -> None:
    async with device(stack, "carol") as carol:
        receipt = await carol.send("dave", "find me")
    await Traced(stack, receipt.trace_id).wait_for(*SENDER)
    found = await asyncio.to_thread(find_trace, stack.traces_url, str(receipt.message_id))
    assert found is not None
    assert found["traceID"] == receipt.trace_id


async def test_the_application_s_own_span_is_the_root_of_the_trace(stack: Stack) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "an app"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(stack.otlp_url)))
    tracer = provider.get_tracer("app")
    token = stack.token("gail")
    async with connect(stack.endpoints, token, device="d", tracer=tracer) as gail:
        receipt = await gail.send("hank", "from an app")
    await asyncio.to_thread(provider.shutdown)
    traced = Traced(stack, receipt.trace_id)
    await traced.wait_for("send", *SENDER)
    assert traced.is_connected(), traced.names()
    root = traced.shown().lines[0]
    assert (root.name, root.service) == ("send", "an app")


async def test_the_command_shows_a_trace_and_says_what_to_do_without_one(stack: Stack) -> None:
    async with device(stack, "ivan") as ivan:
        receipt = await ivan.send("judy", "shown")
    await Traced(stack, receipt.trace_id).wait_for(*SENDER)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["trace", *words, "--data", str(stack.folder.path)])

    shown = await asyncio.to_thread(run, str(receipt.message_id))
    assert shown.exit_code == 0, shown.output
    assert [name for name in SENDER if name not in shown.stdout] == []
    as_json = await asyncio.to_thread(run, receipt.trace_id, "--json")
    assert {line["name"] for line in json.loads(as_json.stdout)["lines"]} >= set(SENDER)
    missing = await asyncio.to_thread(run, "1")
    assert missing.exit_code == 1
    assert "WHIMBREL_TRACING__RATIO" in missing.output
    wrong = await asyncio.to_thread(run, "hello")
    assert wrong.exit_code == 1
    assert "neither a message id" in wrong.output
    nobody = await asyncio.to_thread(run, "1", "--jaeger", "http://127.0.0.1:1")
    assert nobody.exit_code == 1
    assert "nobody answers" in nobody.output


async def test_a_trace_that_the_application_has_begun_goes_on(stack: Stack) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with device(stack, "erin") as erin:
        receipt = await erin.send(
            "frank", "from mine", traceparent=f"00-{trace_id}-00f067aa0ba902b7-01"
        )
    assert receipt.trace_id == trace_id
    await Traced(stack, trace_id).wait_for(*SENDER)
