"""Sending through real streams: a receipt when it is stored, a refusal at once, and bounds."""

from __future__ import annotations

import asyncio

import pytest

from tests.component.client.sending_client import alice
from whimbrel.client import BodyKind, WhimbrelError
from whimbrel.core.errors import ErrorCode
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

pytestmark = pytest.mark.timeout(60)


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
