"""Unary calls are counted as they end, by method and status, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest

from tests.unit.runtime.test_interception import Edge, call
from tests.waiting import until
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.call_load import CallLoad, call_metrics, short_name


async def _nothing(_: Any) -> None:
    return None


async def _refuses(_: Any) -> None:
    raise WhimbrelError(ErrorCode.NOT_A_MEMBER, "no")


async def _breaks(_: Any) -> None:
    raise KeyError("a bug")


async def _aborts(context: Any) -> None:
    await context.abort(grpc.StatusCode.DATA_LOSS, "as it is")


@pytest.mark.parametrize(
    ("raises", "status"),
    [
        (_nothing, "ok"),
        (_refuses, "permission_denied"),
        (_breaks, "internal"),
        (_aborts, "data_loss"),
    ],
)
async def test_a_call_counts_once_with_the_status_that_its_caller_got(
    raises: Callable[[Any], Awaitable[None]], status: str
) -> None:
    edge = Edge(raises)
    async with edge.channel() as channel:
        for _ in range(3):
            with suppress(grpc.aio.AioRpcError):
                await call(channel, "Unary")
    assert edge.interceptor.load.ended == {("edge.Unary", status): 3}
    assert edge.interceptor.load.seconds["edge.Unary"].buckets()[-1] == ("+Inf", 3.0)


@pytest.mark.parametrize("method", ["Generate", "ReadWrite", "Collect"])
async def test_a_stream_is_no_call(method: str) -> None:
    edge = Edge(_nothing)
    async with edge.channel() as channel:
        await call(channel, method)
    assert not edge.interceptor.load.ended


async def test_a_method_that_nobody_has_makes_no_label() -> None:
    """Else a stranger could make as many series as he likes."""
    edge = Edge(_nothing)
    async with edge.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/edge/Nothing")(b"", timeout=5)
    assert not edge.interceptor.load.ended


async def test_a_caller_who_leaves_is_counted_as_cancelled() -> None:
    entered = asyncio.Event()

    async def waits(_: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    edge = Edge(waits)
    async with asyncio.timeout(5), edge.channel() as channel:
        running = channel.unary_unary("/edge/Unary")(b"")
        await entered.wait()
        running.cancel()
        await until(lambda: edge.interceptor.load.ended == {("edge.Unary", "cancelled"): 1})


async def test_a_call_takes_what_the_clock_says() -> None:
    times = iter([10.0, 10.3])
    load = CallLoad(clock=lambda: next(times))

    async def handle(request: Any, context: Any) -> bytes:
        return b"ok"

    context: Any = None
    assert await load.measured(handle, "/whimbrel.api.x.v1.XService/Do")(b"", context) == b"ok"
    assert load.seconds["XService.Do"].seconds == pytest.approx(0.3)
    assert dict(load.seconds["XService.Do"].buckets())["0.25"] == 0.0
    assert dict(load.seconds["XService.Do"].buckets())["0.5"] == 1.0


def test_what_is_shown_has_the_name_of_the_method_and_no_package() -> None:
    load = CallLoad()
    load.count(short_name("/whimbrel.api.social.v1.SocialService/ListFriends"), "ok", 0.1)
    calls, seconds = call_metrics(load)
    (sample,) = [one for one in calls.samples if one.name == "whimbrel_service_calls_total"]
    assert sample.labels == {"method": "SocialService.ListFriends", "status": "ok"}
    assert {one.labels["method"] for one in seconds.samples} == {"SocialService.ListFriends"}
