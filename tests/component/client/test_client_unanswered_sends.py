"""A send whose answer does not come goes again under its one id, or says that it may be stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.component.client.sending_client import alice
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client import SqliteStore, WhimbrelError
from whimbrel.core.errors import ErrorCode
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

pytestmark = pytest.mark.timeout(60)


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
