"""One message is one trace, whatever its way: every hop is there, and all are connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.trace_world import RECIPIENT, SENDER, Traced, device, listening, traced_stack
from tests.waiting import until
from whimbrel.cli.trace_query import find_trace
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


async def test_a_trace_that_the_application_has_begun_goes_on(stack: Stack) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with device(stack, "erin") as erin:
        receipt = await erin.send(
            "frank", "from mine", traceparent=f"00-{trace_id}-00f067aa0ba902b7-01"
        )
    assert receipt.trace_id == trace_id
    await Traced(stack, trace_id).wait_for(*SENDER)
