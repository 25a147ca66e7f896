"""What a handler raises arrives as the error it was, and a bug tells the caller nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.channels import channel_options, server_options
from whimbrel.runtime.errors import STATUS_OF, error_from_rpc
from whimbrel.runtime.interception import ErrorInterceptor

Handle = Callable[[Any, Any], Any]


class Edge:
    """A server with one method of each shape, all of which do what the test says."""

    def __init__(self, raises: Callable[[Any], Awaitable[None]]) -> None:
        self.raises = raises
        self.interceptor = ErrorInterceptor()

    async def unary(self, request: bytes, context: Any) -> bytes:
        await self.raises(context)
        return b"ok"

    async def generate(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        await self.raises(context)

    async def read_write(self, request: Any, context: Any) -> None:
        await context.write(b"first")
        await self.raises(context)

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        async for _ in requests:
            pass
        await self.raises(context)
        return b"ok"

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Any]:
        server = grpc.aio.server(
            interceptors=[self.interceptor], options=server_options(client_facing=False)
        )
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Generate": grpc.unary_stream_rpc_method_handler(self.generate),
            "ReadWrite": grpc.stream_stream_rpc_method_handler(self.read_write),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("edge", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            address = f"127.0.0.1:{port}"
            async with grpc.aio.insecure_channel(address, options=channel_options()) as channel:
                yield channel
        finally:
            await server.stop(0)
            assert await self.interceptor.wait_idle(5)


async def call(channel: Any, method: str) -> list[bytes]:
    """Call one of the methods; everything that it sends."""
    path = f"/edge/{method}"
    if method == "Unary":
        return [await channel.unary_unary(path)(b"", timeout=5)]
    if method == "Collect":
        return [await channel.stream_unary(path)(iter([b"a", b"b"]), timeout=5)]
    if method == "Generate":
        return [item async for item in channel.unary_stream(path)(b"", timeout=5)]
    # It sends nothing: a send to a server that has ended the call already fails as INTERNAL.
    return [item async for item in channel.stream_stream(path)(timeout=5)]


METHODS = ["Unary", "Generate", "ReadWrite", "Collect"]


async def refusal(raises: Callable[[Any], Awaitable[None]], method: str) -> grpc.aio.AioRpcError:
    async with Edge(raises).channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(channel, method)
        return error.value


@pytest.mark.parametrize("method", METHODS)
async def test_our_error_arrives_as_it_was_raised(method: str) -> None:
    async def raises(_: Any) -> None:
        raise WhimbrelError(
            ErrorCode.STALE_EPOCH, "epoch 7 is over", retry_after_seconds=0.25, outcome_unknown=True
        )

    error = await refusal(raises, method)
    assert error.code() is grpc.StatusCode.ABORTED
    back = error_from_rpc(error)
    assert (back.code, back.detail) == (ErrorCode.STALE_EPOCH, "epoch 7 is over")
    assert (back.retry_after_seconds, back.outcome_unknown) == (0.25, True)


@pytest.mark.parametrize("method", METHODS)
async def test_a_bug_is_internal_and_hidden(method: str) -> None:
    async def raises(_: Any) -> None:
        raise KeyError("secret detail")

    error = await refusal(raises, method)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")
    assert error_from_rpc(error).code is ErrorCode.INTERNAL


@pytest.mark.parametrize("method", METHODS)
async def test_a_cancellation_inside_a_handler_does_not_leave_the_caller_hanging(
    method: str,
) -> None:
    async def raises(_: Any) -> None:
        raise asyncio.CancelledError

    back = error_from_rpc(await refusal(raises, method))
    assert (back.code, back.outcome_unknown) == (ErrorCode.UNAVAILABLE, True)


async def test_an_error_out_of_a_task_group_keeps_its_code() -> None:
    async def fails() -> None:
        raise WhimbrelError(ErrorCode.NOT_A_MEMBER, "no")

    async def raises(_: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())

    assert error_from_rpc(await refusal(raises, "Unary")).code is ErrorCode.NOT_A_MEMBER


async def test_a_handlers_own_abort_passes_through() -> None:
    async def raises(context: Any) -> None:
        await context.abort(grpc.StatusCode.DATA_LOSS, "as it is")

    error = await refusal(raises, "Unary")
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "as it is")


@pytest.mark.parametrize("method", METHODS)
async def test_what_succeeds_is_not_touched(method: str) -> None:
    async def raises(_: Any) -> None:
        return None

    async with Edge(raises).channel() as channel:
        assert await call(channel, method) == [
            b"ok" if method in ("Unary", "Collect") else b"first"
        ]


async def test_a_client_that_cancels_ends_the_handler() -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def raises(_: Any) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async with asyncio.timeout(5), Edge(raises).channel() as channel:
        running = channel.unary_unary("/edge/Unary")(b"")
        await entered.wait()
        running.cancel()
        await left.wait()


async def test_writing_to_a_peer_that_is_gone_is_no_failure_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entered = asyncio.Event()

    async def raises(context: Any) -> None:
        entered.set()
        while True:
            await context.write(b"more")

    edge = Edge(raises)
    async with asyncio.timeout(5), edge.channel() as channel:
        running = channel.stream_stream("/edge/ReadWrite")(iter([b"a"]))
        await entered.wait()
        running.cancel()
        assert await edge.interceptor.wait_idle(5)
    assert "call_failed" not in capsys.readouterr().out


def test_every_code_has_a_status() -> None:
    assert set(STATUS_OF) == set(ErrorCode)


async def test_a_call_that_never_got_through_is_unavailable_with_unknown_outcome() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1", options=channel_options()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(channel, "Unary")
    back = error_from_rpc(error.value)
    assert (back.code, back.outcome_unknown) == (ErrorCode.UNAVAILABLE, True)
    assert back.retry_after_seconds is not None


async def test_an_unknown_method_is_not_found() -> None:
    async def raises(_: Any) -> None:
        return None

    async with Edge(raises).channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary("/edge/Nothing")(b"", timeout=5)
    assert error_from_rpc(error.value).code is ErrorCode.NOT_FOUND
