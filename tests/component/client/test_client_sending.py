"""Sending through real streams: stored once under one id, whatever happens in between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client import (
    BodyKind,
    Client,
    ClientSettings,
    ClientStore,
    ReconnectPolicy,
    SqliteStore,
    WhimbrelError,
    connect,
)
from whimbrel.core.errors import ErrorCode
from whimbrel.core.outgoing import OutboxLimits
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

QUICK = ClientSettings(
    reconnect=ReconnectPolicy(cap_seconds=0.01), outbox=OutboxLimits(capacity_messages=100)
)

pytestmark = pytest.mark.timeout(60)


def alice(access: ScriptedAccess, store: ClientStore | None = None) -> Client:
    return connect(access.endpoint, "token-alice", device="phone", store=store, settings=QUICK)


async def test_a_receipt_comes_when_the_message_is_durable() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        text, raw, secret = await stream.read_sends(3)
        assert (text.body.kind, text.body.content, text.recipient_id) == (1, b"hello", "bob")
        assert (raw.body.kind, raw.conversation_id) == (2, "g:1")
        assert secret.body.kind == int(BodyKind.ENCRYPTED)
        for seq, sent in enumerate((text, raw, secret), start=1):
            assert not sent.resend
            await stream.accept(sent, seq)
        await stream.read_acks_to(3)  # the acceptance is the delivery
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        receipts = await asyncio.gather(
            im.send("bob", "hello"),
            im.send_to("g:1", b"\x00"),
            im.send("bob", b"\x01", encrypted=True),
        )
        assert [receipt.seq for receipt in receipts] == [1, 2, 3]
        assert receipts[0].conversation_id == "d:alice:bob"
        assert im.unanswered == ()


async def test_a_lost_stream_sends_again_with_the_same_id_and_the_resend_flag() -> None:
    ids: list[str] = []

    async def first(stream: ScriptedStream) -> None:
        await stream.welcome()
        (sent,) = await stream.read_sends(1)
        assert not sent.resend
        ids.append(sent.client_message_id)

    async def second(stream: ScriptedStream) -> None:
        await stream.welcome()
        (sent,) = await stream.read_sends(1)
        assert sent.resend
        ids.append(sent.client_message_id)
        await stream.accept(sent, 1)
        await stream.read_to_the_end()

    async with ScriptedAccess(first, second) as access, alice(access) as im:
        receipt = await im.send("bob", "hello")
        assert ids == [receipt.client_message_id] * 2
        assert im.statistics().outbox.resends == 1


async def test_an_own_message_that_comes_back_is_the_receipt_and_no_event() -> None:
    async def first(stream: ScriptedStream) -> None:
        await stream.welcome()
        sends.extend(await stream.read_sends(1))

    async def second(stream: ScriptedStream) -> None:
        await stream.welcome()
        own = types_pb2.Message(
            message_id=9,
            conversation_id="d:alice:bob",
            sender_id="alice",
            sender_device_id="phone",
            client_message_id=sends[0].client_message_id,
            body=sends[0].body,
        )
        deliver = access_pb2.Deliver(entries=[types_pb2.Entry(seq=1, message=own)])
        await stream.write(access_pb2.ConnectResponse(deliver=deliver))
        await stream.deliver([2])
        await stream.read_to_the_end()

    sends: list[access_pb2.OutgoingMessage] = []
    async with ScriptedAccess(first, second) as access, alice(access) as im:
        receipt = await im.send("bob", "hello")
        assert (receipt.seq, receipt.message_id) == (1, 9)
        assert (await anext(aiter(im.events()))).seq == 2


async def test_unavailable_is_tried_again_with_the_same_id() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        (first,) = await stream.read_sends(1)
        await stream.reject(first, ErrorCode.UNAVAILABLE, retry_after_ms=20, outcome_unknown=True)
        (again,) = await stream.read_sends(1)
        assert (again.client_message_id, again.resend) == (first.client_message_id, True)
        await stream.accept(again, 1)
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        assert (await im.send("bob", "hello")).seq == 1


async def test_a_final_rejection_raises() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        (sent,) = await stream.read_sends(1)
        await stream.reject(sent, ErrorCode.NOT_A_MEMBER)
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        with pytest.raises(WhimbrelError) as refusal:
            await im.send_to("g:1", "hello")
        assert refusal.value.code is ErrorCode.NOT_A_MEMBER
        assert im.unanswered == ()


async def test_a_body_that_is_too_large_is_refused_here() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome(1, max_body_bytes=10)
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        with pytest.raises(WhimbrelError) as refusal:
            await im.send("bob", b"x" * 11)
        assert refusal.value.code is ErrorCode.BODY_TOO_LARGE


async def test_the_unanswered_are_bounded_and_many_go_in_one_frame() -> None:
    frames: list[int] = []

    async def script(stream: ScriptedStream) -> None:
        await stream.welcome(1, max_unanswered_sends=8)
        seq = 0
        while seq < 40:
            sends = (await stream.read_until("send")).send.messages
            assert len(sends) <= 8
            frames.append(len(sends))
            for sent in sends:
                seq += 1
                assert sent.body.content == str(seq).encode(), "in the order of the calls"
                await stream.accept(sent, seq)
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        await asyncio.gather(*(im.send("bob", str(number)) for number in range(1, 41)))
    assert len(frames) < 40


async def test_a_full_outbox_refuses_at_once() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        waiting = [asyncio.create_task(im.send("bob", "x")) for _ in range(100)]
        async with asyncio.timeout(20):
            while len(im.unanswered) < 100:
                await asyncio.sleep(0)
        with pytest.raises(WhimbrelError) as refusal:
            await im.send("bob", "one too many")
        assert refusal.value.code is ErrorCode.OVERLOADED
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert im.unanswered == (), "a send that was cancelled is forgotten without a store"


async def test_a_send_that_timed_out_is_forgotten_and_says_that_it_may_be_stored() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        with pytest.raises(WhimbrelError) as refusal:
            await im.send("bob", "hello", timeout_seconds=0.2)
        assert refusal.value.code is ErrorCode.DEADLINE_EXCEEDED
        assert refusal.value.outcome_unknown
        assert im.unanswered == ()


async def test_a_client_killed_in_the_middle_of_a_send_sends_again_with_the_same_id(
    tmp_path: Path,
) -> None:
    path = tmp_path / "alice.sqlite3"
    arrived = asyncio.Event()
    ids: list[str] = []

    async def first(stream: ScriptedStream) -> None:
        await stream.welcome()
        (sent,) = await stream.read_sends(1)
        ids.append(sent.client_message_id)
        arrived.set()
        assert "bye" not in await stream.read_to_the_end()

    async def second(stream: ScriptedStream) -> None:
        await stream.welcome()
        (sent,) = await stream.read_sends(1)
        assert sent.resend
        assert sent.body.content == b"hello"
        ids.append(sent.client_message_id)
        await stream.accept(sent, 5)
        await stream.read_to_the_end()

    async def third(stream: ScriptedStream) -> None:
        await stream.welcome()
        assert "send" not in await stream.read_to_the_end()

    async with ScriptedAccess(first, second, third) as access:
        async with alice(access, SqliteStore(path)) as im:
            sending = asyncio.create_task(im.send("bob", "hello"))
            await arrived.wait()
            await im.abandon()
            await asyncio.wait({sending})
            assert sending.exception() is not None
        async with alice(access, SqliteStore(path)) as im:
            receipt = await im.receipt(ids[0])
            assert receipt.seq == 5
            assert await im.receipt(ids[0]) == receipt, "remembered"
        async with alice(access, SqliteStore(path)) as im:
            assert im.unanswered == ()
    assert ids[0] == ids[1]


async def test_a_send_that_timed_out_stays_in_a_durable_outbox(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        (sent,) = await stream.read_sends(1)
        await go_on.wait()
        await stream.accept(sent, 1)
        await stream.read_to_the_end()

    store = SqliteStore(tmp_path / "alice.sqlite3")
    async with ScriptedAccess(script) as access, alice(access, store) as im:
        with pytest.raises(WhimbrelError):
            await im.send("bob", "hello", client_message_id="one", timeout_seconds=0.3)
        assert im.unanswered == ("one",)
        go_on.set()
        assert (await im.receipt("one")).seq == 1


async def test_groups_are_created_once_and_listed() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        assert await im.create_group(["bob"], name="x", client_group_id="one") == "g:one"
        assert access.group_calls == 2, "the first was refused as unavailable"
        assert await im.members("g:one") == ["alice", "bob"]
        with pytest.raises(WhimbrelError) as refusal:
            await im.create_group(["bob"], name="refused")
        assert refusal.value.code is ErrorCode.PERMISSION_DENIED
