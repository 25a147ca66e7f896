"""How a pod asks the Router for attaches: over one stream; by calls where the Router is older."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from services.access.attach_call import AttachCall
from tests.component.access.fake_router import FakeRouter
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import ErrorCode, WhimbrelError


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def serving(router: FakeRouter, port: int = 0) -> AsyncIterator[int]:
    server = grpc.aio.server()
    router_pb2_grpc.add_RouterServiceServicer_to_server(router, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def asking(port: int, clock: Clock) -> AsyncIterator[AttachCall]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = AttachCall(router_pb2_grpc.RouterServiceStub(channel), clock=clock)
        yield call
        call.close()


def sessions(*users: str) -> list[router_pb2.Session]:
    return [router_pb2.Session(user_id=user, device_id="phone") for user in users]


async def test_all_batches_go_over_one_stream_and_answers_keep_their_order() -> None:
    router = FakeRouter()
    async with serving(router) as port, asking(port, Clock()) as call:
        first = await call.ask(sessions("alice", "bob"))
        second = await call.ask(sessions("carol"))
    assert [one.epoch for one in (*first, *second)] == [101, 102, 103]
    assert [one.user_id for one in router.attached] == ["alice", "bob", "carol"]
    assert router.attach_streams == 1


async def test_an_older_router_gets_calls_and_its_successor_a_stream() -> None:
    router, clock = FakeRouter(), Clock()
    router.knows_attach_stream = False
    async with serving(router) as port, asking(port, clock) as call:
        assert [one.epoch for one in await call.ask(sessions("alice"))] == [101]
        router.knows_attach_stream = True
        assert [one.epoch for one in await call.ask(sessions("bob"))] == [102]
        assert router.attach_streams == 0
        clock.now += 10.0
        assert [one.epoch for one in await call.ask(sessions("carol"))] == [103]
        assert router.attach_streams == 1


async def test_a_router_that_is_away_is_said_to_be_and_found_again() -> None:
    router = FakeRouter()
    async with serving(router) as port, asking(port, Clock()) as call:
        await call.ask(sessions("alice"))
        router.is_away = True
        with pytest.raises(WhimbrelError) as raised:
            await call.ask(sessions("bob"))
        assert raised.value.code is ErrorCode.UNAVAILABLE
        router.is_away = False
        assert [one.epoch for one in await call.ask(sessions("bob"))] == [102]


async def test_an_answer_for_fewer_than_were_asked_is_none() -> None:
    class Forgetful(FakeRouter):
        async def Attach(  # noqa: N802 - the contract names the methods
            self, request: router_pb2.AttachRequest, context: object
        ) -> router_pb2.AttachResponse:
            return router_pb2.AttachResponse(attachments=[router_pb2.Attachment(epoch=1)])

    async with serving(Forgetful()) as port, asking(port, Clock()) as call:
        with pytest.raises(WhimbrelError) as raised:
            await call.ask(sessions("alice", "bob"))
        assert raised.value.code is ErrorCode.UNAVAILABLE


async def test_whoever_is_cancelled_leaves_no_answer_for_the_next() -> None:
    held = asyncio.Event()

    class Slow(FakeRouter):
        is_asked = False

        async def Attach(  # noqa: N802 - the contract names the methods
            self, request: router_pb2.AttachRequest, context: object
        ) -> router_pb2.AttachResponse:
            if request.sessions[0].user_id == "alice":
                self.is_asked = True
                self.note()
                await held.wait()
            answer: router_pb2.AttachResponse = await super().Attach(request, context)
            return answer

    router = Slow()
    async with serving(router) as port, asking(port, Clock()) as call:
        asked = asyncio.create_task(call.ask(sessions("alice")))
        await router.until(lambda: router.is_asked)
        asked.cancel()
        await asyncio.wait((asked,))
        answers = await call.ask(sessions("bob", "carol"))
        held.set()
    assert len(answers) == 2
