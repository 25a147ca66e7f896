"""What reaches a device: in order, without holes, within its window, and once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.access.client_stream import ClientStream
from tests.component.access.access_world import PING, access_world, ack, sends, text
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.session_types import Mode


def mode_of(stream: ClientStream) -> Mode:
    return stream.session.mode


async def test_the_backlog_then_what_is_pushed_in_order(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.write("bob", 1, 2, 3)
        client = await world.client()
        welcome = await client.attach("bob", cursor=1)
        assert (welcome.user_id, welcome.first_seq, welcome.head) == ("bob", 2, 3)
        assert welcome.epoch == 101
        assert list(welcome.endpoints) == [world.chassis.address]
        assert await client.seqs(2) == [2, 3]
        world.logic.write("bob", 4, 5, 6, 7)
        world.logic.push("bob", 6, 4, 5, 5, 7, 4)
        frame = await client.expect("deliver")
        assert [entry.seq for entry in frame.entries] == [4, 5, 6, 7], "one batch, one frame"
        assert world.logic.fetches == []


async def test_a_new_device_is_told_where_it_begins(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.write("bob", 1)
        client = await world.client()
        await client.attach("bob", cursor=None)
        assert not world.logic.attaches[0].HasField("cursor")
        assert world.logic.attaches[0].limit == 256


async def test_what_is_pushed_while_a_stream_attaches_is_not_lost(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.answers_attaches = False
        client = await world.client()
        attaching = asyncio.create_task(client.attach("bob"))
        await world.logic.until(lambda: len(world.logic.attaches) == 1)
        world.logic.write("bob", 1, 2, 3)
        world.logic.push("bob", 3, 2)  # 1 is in the backlog only
        result = logic_pb2.AttachResult(
            ref=world.logic.attaches[0].ref,
            head=2,
            entries=[world.logic.timelines["bob"][1], world.logic.timelines["bob"][2]],
        )
        world.logic.say(logic_pb2.LinkResponse(attach_results=[result]))
        await attaching
        assert await client.seqs(3) == [1, 2, 3]
        assert world.logic.fetches == []


async def test_a_hole_is_fetched_and_its_age_told(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        world.logic.write("bob", 3)
        world.logic.push("bob", 3)
        await world.logic.until(lambda: len(world.logic.fetches) >= 2)
        first, second = world.logic.fetches[:2]
        assert (first.from_seq, first.limit) == (1, 2)
        assert first.hole_age_ms >= 50
        assert second.hole_age_ms >= first.hole_age_ms + 250
        world.logic.write("bob", 1, 2)
        assert await client.seqs(3) == [1, 2, 3]


async def test_a_late_entry_and_a_void_travel_as_they_are(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        world.logic.write("bob", 1, late=True)
        world.logic.push("bob", 1)
        (entry,) = (await client.expect("deliver")).entries
        assert entry.late
        assert entry.message.sender_id == "alice"
        world.logic.write("bob", 2)
        world.logic.timelines["bob"][2].ClearField("message")
        news = logic_pb2.HeadNews(user_id="bob", head=2)
        world.logic.say(logic_pb2.LinkResponse(head_news=[news]))
        (void,) = (await client.expect("deliver")).entries
        assert void.seq == 2
        assert not void.HasField("message")


async def test_accepted_is_the_delivery_to_the_device_that_sent(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        phone = await world.attached("bob", device_id="phone")
        desk = await world.attached("bob", device_id="desk")
        alice = await world.attached("alice")
        await phone.say(sends(text("m1"), text("m2")))
        accepted = (await phone.expect("accepted")).messages
        assert [(m.client_message_id, m.seq) for m in accepted] == [("m1", 1), ("m2", 2)]
        assert accepted[0].conversation_id == "d:alice:bob"
        assert await desk.seqs(2) == [1, 2]
        assert await alice.seqs(2) == [1, 2]
        await phone.say(ack(2, confirm_now=True))
        assert (await phone.expect("ack_confirmed")).cursor == 2


async def test_the_window_bounds_what_is_in_flight_and_acks_open_it(tmp_path: Path) -> None:
    async with access_world(tmp_path, window_messages=4) as world:
        client = await world.attached()
        world.logic.write("bob", *range(1, 7))
        world.logic.push("bob", *range(1, 7))
        assert await client.seqs(4) == [1, 2, 3, 4]
        await client.say(PING)
        assert (await client.expect("pong")).head == 6
        await client.say(ack(2))
        assert await client.seqs(2) == [5, 6]


async def test_a_lagging_reader_pulls_and_goes_live_at_what_it_was_offered(
    tmp_path: Path,
) -> None:
    async with access_world(tmp_path, window_messages=4) as world:
        client = await world.attached()
        stream = world.stream_of("bob")
        world.logic.write("bob", *range(1, 101))
        world.logic.push("bob", *range(1, 101))
        got = await client.seqs(4)
        assert mode_of(stream) is Mode.LAGGING
        stats = stream.session.statistics()
        assert stats.ready + stats.held <= 4, "pushes are not kept for it"
        while len(got) < 100:
            await client.say(ack(got[-1]))
            got += await client.seqs(1)
        assert got == list(range(1, 101))
        await client.say(ack(100))
        assert mode_of(stream) is Mode.LIVE
        fetches = len(world.logic.fetches)
        world.logic.write("bob", 101)
        world.logic.push("bob", 101)
        assert await client.seqs(1) == [101]
        assert len(world.logic.fetches) == fetches, "live again: pushed, not fetched"


async def test_a_redelivery_comes_once_then_logic_is_told(tmp_path: Path) -> None:
    async with access_world(tmp_path, ack_timeout_seconds=0.2) as world:
        client = await world.attached()
        world.logic.write("bob", 1, 2)
        world.logic.push("bob", 1, 2)
        assert await client.seqs(2) == [1, 2]
        assert await client.seqs(2) == [1, 2]
        await world.logic.until(lambda: bool(world.logic.unacknowledged))
        (missed,) = world.logic.unacknowledged
        assert (missed.user_id, missed.device_id) == ("bob", "phone")
        assert (missed.from_seq, missed.to_seq) == (1, 2)
        await client.say(PING)
        await client.expect("pong")  # and not a third delivery


async def test_sync_delivers_again(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.write("bob", 1, 2, 3)
        client = await world.attached()
        assert await client.seqs(3) == [1, 2, 3]
        await client.say(ack(3))
        await client.say(access_pb2.ConnectRequest(sync=access_pb2.Sync(from_seq=2)))
        assert await client.seqs(2) == [2, 3]


async def test_a_client_that_never_reads_costs_no_more_than_its_window(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        other = await world.attached("carol")
        stream = world.stream_of("bob")
        body = 20_000
        for batch in range(40):
            seqs = range(1 + batch * 10, 11 + batch * 10)
            world.logic.write("bob", *seqs, size=body)
            world.logic.push("bob", *seqs)
            world.logic.write("carol", batch + 1)
            world.logic.push("carol", batch + 1)
            # The other one has got it, so the pod has handled the batch.
            assert await other.seqs(1) == [batch + 1]
            await other.say(ack(batch + 1))
            stats = stream.session.statistics()
            assert stats.window.in_flight_bytes <= 256 * 1024
            assert stats.waiting_bytes + stats.window.in_flight_bytes <= 512 * 1024
        assert mode_of(stream) is Mode.LAGGING
        assert stream.session.head == 400
        got: list[int] = []
        while len(got) < 400:
            got += await client.seqs(1)
            await client.say(ack(got[-1]))
        assert got == list(range(1, 401))


async def test_sends_beyond_the_bound_wait_in_the_client_and_its_silence_is_forgiven(
    tmp_path: Path,
) -> None:
    async with access_world(tmp_path, max_unanswered_sends=2, heartbeat_seconds=0.1) as world:
        client = await world.attached("bob")
        world.logic.answers_sends = False
        await client.say(*[sends(text(f"m{n}")) for n in range(5)])
        await world.logic.until(lambda: len(world.logic.sends) == 2)
        stream = world.stream_of("bob")
        assert not stream.has_room
        # Another client that is silent as long is dead; this one is not read, so not heard.
        silent = await world.attached("carol")
        assert (await silent.closed()).code == access_pb2.CLOSE_CODE_HEARTBEAT_TIMEOUT
        assert stream.final is None
        assert len(world.logic.sends) == 2
        world.logic.answers_sends = True
        stored = logic_pb2.LinkResponse()
        for number, send in enumerate(world.logic.sends, 1):
            stored.results.add(ref=send.ref, stored=logic_pb2.Stored(message_id=number, seq=number))
        world.logic.write("bob", 1, 2)
        world.logic.say(stored)
        answered: list[str] = []
        while len(answered) < 5:
            answered += [m.client_message_id for m in (await client.next("accepted")).messages]
        assert answered == ["m0", "m1", "m2", "m3", "m4"]
