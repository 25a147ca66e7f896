"""The gateway's way to Logic: a key has its pod, a dead one is passed over, codes stay."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.interception import ErrorInterceptor
from whimbrel.runtime.logic_pods import CALL_SECONDS, LogicPods, asked

KEYS = [f"user-{number}" for number in range(20)]


class _Named(logic_pb2_grpc.LogicServiceServicer):
    """A Logic that answers with its own name, or refuses who asks for "secret"."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def ListMembers(  # noqa: N802 - the contract's
        self, request: logic_pb2.ListMembersRequest, context: Any
    ) -> logic_pb2.ListMembersResponse:
        if request.conversation_id == "secret":
            raise WhimbrelError(ErrorCode.NOT_A_MEMBER, "not yours", retry_after_seconds=0.25)
        return logic_pb2.ListMembersResponse(member_ids=[self._name])


@asynccontextmanager
async def logic(name: str) -> AsyncIterator[tuple[grpc.aio.Server, router_pb2.Pod]]:
    named = _Named(name)  # type: ignore[abstract] # the other methods are not called
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    logic_pb2_grpc.add_LogicServiceServicer_to_server(named, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pod = router_pb2.Pod(pod_id=name, role=router_pb2.POD_ROLE_LOGIC, address=f"127.0.0.1:{port}")
    try:
        yield server, pod
    finally:
        await server.stop(0)


async def who_answers(pods: LogicPods, key: str, conversation: str = "g:1") -> str:
    stub = pods.stub(key, logic_pb2_grpc.LogicServiceStub)
    request = logic_pb2.ListMembersRequest(caller_id=key, conversation_id=conversation)
    answer = await asked(stub.ListMembers(request, timeout=CALL_SECONDS))
    return str(answer.member_ids[0])


async def test_each_key_has_its_pod_and_a_dead_one_is_passed_over() -> None:
    async with AsyncExitStack() as stack:
        (one, pod_one), (_, pod_two) = [
            await stack.enter_async_context(logic(name)) for name in ("one", "two")
        ]
        pods = LogicPods()
        stack.push_async_callback(pods.close)
        access = router_pb2.Pod(pod_id="a", role=router_pb2.POD_ROLE_ACCESS, address="127.0.0.1:1")
        pods.see({"one": pod_one, "two": pod_two, "a": access})
        first = [await who_answers(pods, key) for key in KEYS]
        assert set(first) == {"one", "two"}
        assert [await who_answers(pods, key) for key in KEYS] == first

        await one.stop(0)
        async with asyncio.timeout(20):
            # The registry still has it; its channel finds out with the first calls.
            while True:
                with contextlib.suppress(WhimbrelError):
                    seen = [await who_answers(pods, key) for key in KEYS]
                    break
        assert set(seen) == {"two"}
        pods.see({"two": pod_two})
        assert {await who_answers(pods, key) for key in KEYS} == {"two"}


async def test_what_logic_refuses_keeps_its_code_and_its_delay() -> None:
    async with logic("one") as (_, pod):
        pods = LogicPods()
        pods.see({"one": pod})
        with pytest.raises(WhimbrelError) as raised:
            await who_answers(pods, "alice", "secret")
        await pods.close()
    refused = raised.value
    assert (refused.code, refused.retry_after_seconds) == (ErrorCode.NOT_A_MEMBER, 0.25)


async def test_without_a_logic_pod_it_is_unavailable_and_worth_another_try() -> None:
    with pytest.raises(WhimbrelError) as raised:
        LogicPods().stub("alice", logic_pb2_grpc.LogicServiceStub)
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert raised.value.retry_after_seconds
