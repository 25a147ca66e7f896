"""Every line of the protocol that a client can break, with the code that answers it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from tests.component.access.access_world import (
    BYE,
    PING,
    access_world,
    ack,
    hello,
    sends,
    text,
    token,
)
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.runtime.errors import error_from_rpc

EMPTY = access_pb2.ConnectRequest()


def sync(from_seq: int) -> access_pb2.ConnectRequest:
    return access_pb2.ConnectRequest(sync=access_pb2.Sync(from_seq=from_seq))


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (PING, access_pb2.CLOSE_CODE_HELLO_EXPECTED),
        (ack(1), access_pb2.CLOSE_CODE_HELLO_EXPECTED),
        (EMPTY, access_pb2.CLOSE_CODE_UNKNOWN_FRAME),
        (hello(protocol_version=2), access_pb2.CLOSE_CODE_UNSUPPORTED_VERSION),
        (hello(device_id=""), access_pb2.CLOSE_CODE_INVALID_FRAME),
        (hello(device_id="my phone"), access_pb2.CLOSE_CODE_INVALID_FRAME),
        (hello(instance_id="x" * 65), access_pb2.CLOSE_CODE_INVALID_FRAME),
        (hello(attempt=0), access_pb2.CLOSE_CODE_INVALID_FRAME),
        (hello(client="c" * 65), access_pb2.CLOSE_CODE_INVALID_FRAME),
        (hello(token=""), access_pb2.CLOSE_CODE_BAD_TOKEN),
        (hello(token="not.a.token"), access_pb2.CLOSE_CODE_BAD_TOKEN),
        (hello(token=token("bob", ttl_seconds=-1)), access_pb2.CLOSE_CODE_TOKEN_EXPIRED),
        (hello(cursor=1), access_pb2.CLOSE_CODE_SEQ_AHEAD),
        (hello(client="c" * 300_000), access_pb2.CLOSE_CODE_FRAME_TOO_LARGE),
    ],
)
async def test_a_bad_first_frame_ends_the_stream(
    tmp_path: Path, first: access_pb2.ConnectRequest, code: int
) -> None:
    async with access_world(tmp_path) as world:
        client = await world.client()
        await client.say(first)
        assert (await client.closed()).code == code


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (hello(attempt=2), access_pb2.CLOSE_CODE_HELLO_EXPECTED),
        (EMPTY, access_pb2.CLOSE_CODE_UNKNOWN_FRAME),
        (sends(text("x" * 300_000)), access_pb2.CLOSE_CODE_FRAME_TOO_LARGE),
        (ack(3), access_pb2.CLOSE_CODE_ACK_AHEAD),
        (sync(0), access_pb2.CLOSE_CODE_INVALID_FRAME),
        (sync(4), access_pb2.CLOSE_CODE_SEQ_AHEAD),
    ],
)
async def test_a_bad_frame_ends_the_stream_and_those_behind_it_do_no_harm(
    tmp_path: Path, frame: access_pb2.ConnectRequest, code: int
) -> None:
    async with access_world(tmp_path) as world:
        world.logic.write("bob", 1, 2)
        client = await world.attached()
        assert await client.seqs(2) == [1, 2]
        closed = asyncio.create_task(client.next("close"))
        # The end may overtake what is still being said; a call then has a status of its own.
        with suppress(grpc.aio.AioRpcError):
            await client.say(frame, PING, ack(9), EMPTY)
        assert (await closed).code == code
        await world.router.until(lambda: len(world.router.detached) == 1)
        assert await (await world.attached(attempt=2)).seqs(2) == [1, 2]


async def test_who_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    async with access_world(tmp_path, hello_seconds=0.1) as world:
        client = await world.client()
        await client.say()
        close = await client.closed()
        assert close.code == access_pb2.CLOSE_CODE_HEARTBEAT_TIMEOUT


async def test_a_client_that_falls_silent_is_dead(tmp_path: Path) -> None:
    async with access_world(tmp_path, heartbeat_seconds=0.1) as world:
        client = await world.attached()
        close = await client.closed()
        assert close.code == access_pb2.CLOSE_CODE_HEARTBEAT_TIMEOUT


async def test_pings_are_answered_and_the_stream_ends_with_bye(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        await client.say(PING)
        pong = await client.expect("pong")
        assert pong.ByteSize() == 0
        await client.say(BYE)
        await client.ended()
        await world.router.until(lambda: len(world.router.detached) == 1)
        assert world.router.detached[0].epoch == 101


BODY = types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=b"hi")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (text(""), types_pb2.ERROR_CODE_INVALID_ARGUMENT),
        (text("no spaces"), types_pb2.ERROR_CODE_INVALID_ARGUMENT),
        (text("m", recipient="al ice"), types_pb2.ERROR_CODE_INVALID_ARGUMENT),
        (
            access_pb2.OutgoingMessage(client_message_id="m", body=BODY),
            types_pb2.ERROR_CODE_INVALID_ARGUMENT,
        ),
        (
            access_pb2.OutgoingMessage(client_message_id="m", recipient_id="alice"),
            types_pb2.ERROR_CODE_INVALID_ARGUMENT,
        ),
        (
            access_pb2.OutgoingMessage(
                client_message_id="m",
                recipient_id="alice",
                body=types_pb2.Body(kind=types_pb2.BODY_KIND_BYTES, content=b"x" * 65_537),
            ),
            types_pb2.ERROR_CODE_BODY_TOO_LARGE,
        ),
        (
            access_pb2.OutgoingMessage(
                client_message_id="m", conversation_id="d:bob:alice", body=BODY
            ),
            types_pb2.ERROR_CODE_UNKNOWN_CONVERSATION,
        ),
    ],
)
async def test_a_bad_message_is_rejected_and_the_stream_goes_on(
    tmp_path: Path, message: access_pb2.OutgoingMessage, code: int
) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        await client.say(sends(message))
        (refused,) = (await client.expect("rejected")).messages
        assert (refused.client_message_id, refused.code) == (message.client_message_id, code)
        assert not refused.outcome_unknown
        await client.say(sends(text("good")))
        (accepted,) = (await client.expect("accepted")).messages
        assert accepted.client_message_id == "good"
        assert [send.conversation_id for send in world.logic.sends] == ["d:alice:bob"]


async def test_what_logic_refuses_is_rejected_with_its_code(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        world.logic.refuses = logic_pb2.Refused(code=types_pb2.ERROR_CODE_STALE_EPOCH)
        await client.say(sends(text("m1")))
        (refused,) = (await client.expect("rejected")).messages
        assert refused.code == types_pb2.ERROR_CODE_STALE_EPOCH


async def test_without_a_router_the_stream_ends_unavailable(tmp_path: Path) -> None:
    async with access_world(tmp_path, attach_seconds=0.5) as world:
        world.router.is_away = True
        client = await world.client()
        await client.say(hello())
        close = await client.closed()
        assert close.code == access_pb2.CLOSE_CODE_UNAVAILABLE
        assert close.retry_after_ms > 0


async def test_without_logic_the_stream_ends_unavailable(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=0, attach_seconds=0.3) as world:
        client = await world.client()
        await client.say(hello())
        close = await client.closed()
        assert close.code == access_pb2.CLOSE_CODE_UNAVAILABLE
        await world.router.until(lambda: len(world.router.detached) == 1)


async def test_groups_need_a_token_and_go_on_to_logic(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.client()
        request = access_pb2.CreateGroupRequest(member_ids=["bob"], client_group_id="g1")
        for metadata in ((), (("authorization", "Basic x"),), (("authorization", "Bearer x"),)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await client.stub.CreateGroup(request, metadata=metadata, timeout=5)
            assert error_from_rpc(refused.value).code.name == "UNAUTHENTICATED"
        bearer = (("authorization", f"Bearer {token('alice')}"),)
        group = await client.stub.CreateGroup(request, metadata=bearer, timeout=5)
        assert group.conversation_id == "g:1"
        assert world.logic.groups[0].owner_id == "alice"
        members = await client.stub.ListMembers(
            access_pb2.ListMembersRequest(conversation_id="g:1"), metadata=bearer, timeout=5
        )
        assert list(members.member_ids) == ["alice", "bob"]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.stub.ListMembers(
                access_pb2.ListMembersRequest(conversation_id="g:1"),
                metadata=(("authorization", f"Bearer {token('mallory')}"),),
                timeout=5,
            )
        assert error_from_rpc(refused.value).code.name == "NOT_A_MEMBER"
