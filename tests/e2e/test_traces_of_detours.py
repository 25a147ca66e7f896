"""One message is one trace also when it takes its time: for those who are away, who do not
acknowledge, and who move meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.trace_world import RECIPIENT, SENDER, Traced, device, listening, traced_stack
from tests.waiting import until
from whimbrel.local.stack import Stack, StackSpec

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with traced_stack(StackSpec(access=2, logic=2, gateway=0)) as started:
        yield started


async def test_a_group_message_is_one_trace_with_every_member_in_it(stack: Stack) -> None:
    async with (
        device(stack, "gina") as gina,
        device(stack, "hugo", 1) as hugo,
        device(stack, "ines") as ines,
        listening(hugo) as of_hugo,
        listening(ines) as of_ines,
    ):
        group = await gina.create_group(["hugo", "ines"], name="three")
        receipt = await gina.send_to(group, "hello all")
        await until(lambda: "hello all" in of_hugo and "hello all" in of_ines)
    traced = Traced(stack, receipt.trace_id)
    await traced.wait_for(*SENDER, *RECIPIENT, *RECIPIENT)
    assert traced.is_connected(), traced.names()
    assert traced.events("deliver") == ["acknowledged", "acknowledged"]


async def test_who_was_away_ends_the_same_trace(stack: Stack) -> None:
    async with device(stack, "karl"):
        pass  # he was there once: he has a cursor
    async with device(stack, "jana") as jana:
        receipt = await jana.send("karl", "for later")
    traced = Traced(stack, receipt.trace_id)
    await traced.wait_for(*SENDER, "push job", "notify")
    assert "deliver" not in traced.names()
    async with device(stack, "karl", 1) as karl, listening(karl) as texts:
        await until(lambda: texts)
    await traced.wait_for(*SENDER, "push job", "notify", "sync", "deliver", "write")
    assert traced.is_connected(), traced.names()
    assert traced.events("deliver") == ["acknowledged"]


async def test_a_redelivery_is_in_the_trace(stack: Stack) -> None:
    async with device(stack, "lena") as lena, device(stack, "mark", 1) as mark:
        receipt = await lena.send("mark", "do you hear me?")
        traced = Traced(stack, receipt.trace_id)
        await traced.wait_for("redeliver")  # nobody asks for events, so nothing is acknowledged
        async with listening(mark) as texts:
            await until(lambda: texts)
            await traced.wait_for(*SENDER, *RECIPIENT, "redeliver")
    assert traced.is_connected(), traced.names()
    assert traced.events("deliver") == ["redelivered", "acknowledged"]


async def test_a_session_that_migrates_in_the_middle_stays_in_the_trace(stack: Stack) -> None:
    async with device(stack, "nora") as nora, device(stack, "otto", 1) as otto:
        receipt = await nora.send("otto", "on the way")
        traced = Traced(stack, receipt.trace_id)
        await traced.wait_for(*SENDER, "write")
        await stack.restart_role("access")
        async with listening(otto) as texts:
            await until(lambda: texts)
            await traced.wait_for(*SENDER, "sync", "deliver", "deliver", "write", "write")
    assert traced.is_connected(), traced.names()
    assert texts == ["on the way"]
    events = traced.events("deliver")
    assert "session.migrated" in events
    assert events[-2:] == ["session.arrived", "acknowledged"]
