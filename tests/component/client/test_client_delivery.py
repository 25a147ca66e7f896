"""Delivery to the application through real streams: in order, once, bounded, resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client import (
    Client,
    ClientSettings,
    ClientStore,
    CloseCode,
    ConnectionClosed,
    MemoryStore,
    MessageEvent,
    ReconnectPolicy,
    SqliteStore,
    WhimbrelError,
    connect,
)
from whimbrel.core.errors import ErrorCode
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

QUICK = ClientSettings(reconnect=ReconnectPolicy(cap_seconds=0.01))

pytestmark = pytest.mark.timeout(60)


def alice(access: ScriptedAccess, store: ClientStore | None = None) -> Client:
    return connect(access.endpoint, "token-alice", device="phone", store=store, settings=QUICK)


async def take(client: Client, count: int) -> list[MessageEvent]:
    events = client.events()
    return [await anext(events) for _ in range(count)]


async def test_events_come_in_order_and_once_across_reconnects() -> None:
    async def first(stream: ScriptedStream) -> None:
        await stream.welcome(1, head=4)
        await stream.deliver([1, 2, 3])
        await stream.read_acks_to(2)  # the third is in hand

    async def second(stream: ScriptedStream) -> None:
        assert (stream.hello.cursor, stream.hello.attempt, stream.hello.epoch) == (2, 2, 1)
        await stream.welcome(3, head=6)
        await stream.deliver([3, 4])
        await stream.deliver([5, 6])
        await stream.deliver([5, 6])  # a redelivery
        await stream.read_acks_to(6)
        await stream.read_to_the_end()

    async with ScriptedAccess(first, second) as access, alice(access) as im:
        events = im.events()
        seen = [await anext(events) for _ in range(3)]
        await im_until(lambda: im.statistics().streams == 2)
        seen += [await anext(events) for _ in range(3)]
        asking = asyncio.ensure_future(anext(events))  # says that the sixth is handled
        await im_until(lambda: im.statistics().inbox.confirmed == 6)
        asking.cancel()
        await asyncio.wait({asking})
    assert [event.seq for event in seen] == [1, 2, 3, 4, 5, 6]
    assert [event.text for event in seen] == [f"text {seq}" for seq in range(1, 7)]
    assert access.hellos[0].instance_id == access.hellos[1].instance_id


async def im_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that some task of this loop brings about."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def test_voids_are_acknowledged_and_never_shown() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        void = access_pb2.Deliver(entries=[types_pb2.Entry(seq=1)])
        await stream.write(access_pb2.ConnectResponse(deliver=void))
        await stream.read_acks_to(1)
        await stream.deliver([2])
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        (event,) = await take(im, 1)
        assert event.seq == 2


async def test_a_slow_application_bounds_memory() -> None:
    """A server that ignores its own window is cut off, and what it sent does not pile up."""

    async def greedy(stream: ScriptedStream) -> None:
        await stream.welcome(1, window_messages=8)
        for seq in range(1, 1_000):
            await stream.deliver([seq])
        await stream.read_to_the_end()

    async def modest(stream: ScriptedStream) -> None:
        await stream.welcome(stream.hello.cursor + 1, window_messages=8)
        await stream.read_to_the_end()

    async with ScriptedAccess(greedy, modest) as access, alice(access) as im:
        await im_until(lambda: im.statistics().streams == 2)
        assert im.statistics().inbox.waiting == 32
        assert "messages wait" in im.statistics().last_end
        assert [event.seq for event in await take(im, 32)] == list(range(1, 33))


async def test_a_hole_is_asked_for_again() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.deliver([1, 3])
        frame = await stream.read_until("sync")
        assert frame.sync.from_seq == 2
        await stream.deliver([2, 3])
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        assert [event.seq for event in await take(im, 3)] == [1, 2, 3]


async def test_seq_ahead_reconnects_without_cursor() -> None:
    async def first(stream: ScriptedStream) -> None:
        await stream.welcome(50)
        await stream.deliver([50, 51])
        await stream.read_acks_to(50)
        await stream.close(CloseCode.SEQ_AHEAD)

    async def second(stream: ScriptedStream) -> None:
        assert not stream.hello.HasField("cursor")
        await stream.welcome(7)
        await stream.deliver([7])
        await stream.read_to_the_end()

    store = MemoryStore()
    async with ScriptedAccess(first, second) as access, alice(access, store) as im:
        assert [event.seq for event in await take(im, 3)] == [50, 51, 7]
        state = await store.load()
        assert state.cursor is None
        assert state.highest == {}


async def test_the_cursor_resumes_from_sqlite_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "alice.sqlite3"

    async def first(stream: ScriptedStream) -> None:
        assert not stream.hello.HasField("cursor")
        await stream.welcome(1)
        await stream.deliver([1, 2, 3])
        kinds = await stream.read_to_the_end()
        assert kinds[-1] == "bye"
        assert stream.acks[-1] == 2

    async def second(stream: ScriptedStream) -> None:
        assert stream.hello.cursor == 2
        await stream.welcome(3)
        await stream.deliver([3])
        await stream.read_to_the_end()

    async with ScriptedAccess(first, second) as access:
        async with alice(access, SqliteStore(path)) as im:
            await take(im, 3)
        async with alice(access, SqliteStore(path)) as im:
            assert [event.seq for event in await take(im, 1)] == [3]


async def test_a_store_refuses_another_user_and_another_device(tmp_path: Path) -> None:
    path = tmp_path / "alice.sqlite3"

    async def welcoming(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.read_to_the_end()

    async with ScriptedAccess(welcoming, welcoming) as access:
        async with alice(access, SqliteStore(path)):
            pass
        for token, device in (("token-mallory", "phone"), ("token-alice", "tablet")):
            client = connect(access.endpoint, token, device=device, store=SqliteStore(path))
            with pytest.raises(WhimbrelError) as refusal:
                await client.__aenter__()
            assert refusal.value.code is ErrorCode.PERMISSION_DENIED
        # The device is known before anything is said, the user of an opaque token is not.
        assert [hello.device_id for hello in access.hellos] == ["phone", "phone"]


async def test_a_late_message_is_marked() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.deliver([1])
        message = types_pb2.Message(message_id=500, conversation_id="d:alice:bob", sender_id="bob")
        entry = types_pb2.Entry(seq=2, message=message)
        await stream.write(access_pb2.ConnectResponse(deliver=access_pb2.Deliver(entries=[entry])))
        await stream.read_to_the_end()

    async with ScriptedAccess(script) as access, alice(access) as im:
        assert [event.late for event in await take(im, 2)] == [False, True]


async def test_asking_for_events_after_the_end_says_why() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.close(CloseCode.BAD_TOKEN)

    async with ScriptedAccess(script) as access, alice(access) as im:
        with pytest.raises(ConnectionClosed) as ending:
            await anext(im.events())
        assert ending.value.code is CloseCode.BAD_TOKEN


def conversation(seq: int, message_id: int) -> access_pb2.ConnectResponse:
    message = types_pb2.Message(message_id=message_id, conversation_id="g:1", sender_id="bob")
    entry = types_pb2.Entry(seq=seq, message=message)
    return access_pb2.ConnectResponse(deliver=access_pb2.Deliver(entries=[entry]))


async def test_what_comes_late_is_marked_after_a_restart_too(tmp_path: Path) -> None:
    """Also what the server gives no hint of: the pod that writes the conversation has changed.
    What was seen beyond the stored cursor comes again, and is not late for that."""

    async def first(stream: ScriptedStream) -> None:
        await stream.welcome(1)
        await stream.write(conversation(1, 50))
        await stream.read_acks_to(1)
        await stream.write(conversation(2, 60))
        await stream.read_to_the_end()

    async def second(stream: ScriptedStream) -> None:
        assert stream.hello.cursor == 1
        await stream.welcome(2)
        await stream.write(conversation(2, 60))
        await stream.write(conversation(3, 40))
        await stream.read_to_the_end()

    path = tmp_path / "alice.sqlite3"
    async with ScriptedAccess(first, second) as access:
        async with alice(access, SqliteStore(path)) as im:
            events = im.events()
            assert not (await anext(events)).late
            assert not (await anext(events)).late  # in hand, not finished, when the client ends
        async with alice(access, SqliteStore(path)) as im:
            assert [event.late for event in await take(im, 2)] == [False, True]
