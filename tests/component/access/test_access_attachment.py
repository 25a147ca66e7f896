"""Who holds a device: superseded, replaced, re-asserted, and how a pod lets go of it."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

from services.access.settings import DrainSettings
from services.access.stream_driver import StreamDriver
from tests.component.access.access_world import BYE, access_world, ack, hello, sends, text
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.router.v1 import router_pb2


async def test_another_instance_ends_the_old_stream_for_good(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        old = await world.attached(instance_id="i1")
        new = await world.client()
        welcome = await new.attach(instance_id="i2")
        assert (await old.closed()).code == access_pb2.CLOSE_CODE_SUPERSEDED
        assert welcome.epoch == 102
        world.logic.write("bob", 1)
        world.logic.push("bob", 1)
        assert await new.seqs(1) == [1]
        assert world.logic.superseded == [], "the pod itself held it"


async def test_the_same_instance_gets_a_fin_with_the_last_seq(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.write("bob", 1, 2)
        old = await world.attached()
        assert await old.seqs(2) == [1, 2]
        began = time.monotonic()
        new = await world.attached(attempt=2, cursor=2)
        assert (await old.expect("fin")).last_seq == 2
        await old.ended()
        waited = time.monotonic() - began
        assert waited >= DrainSettings().linger_seconds, "a client may stand still for a second"
        await new.say(sends(text("m1")))
        await new.next("accepted")
        assert world.logic.sends[0].epoch == 102


async def test_the_pod_that_held_the_device_is_told_over_a_link(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.router.routes["bob", "phone"] = router_pb2.Session(
            pod_id="access-9", instance_id="i0", epoch=50
        )
        await world.attached()
        await world.logic.until(lambda: bool(world.logic.superseded))
        (told,) = world.logic.superseded
        assert (told.pod_id, told.epoch, told.instance_id) == ("access-9", 101, "i1")


async def test_word_from_another_pod_ends_the_stream(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        for epoch in (101, 150):  # its own epoch ends nothing
            gone = logic_pb2.Superseded(
                user_id="bob", device_id="phone", epoch=epoch, instance_id="i2", pod_id="access-0"
            )
            world.logic.say(logic_pb2.LinkResponse(superseded=[gone]))
        assert (await client.closed()).code == access_pb2.CLOSE_CODE_SUPERSEDED
        assert world.router.detached == [], "the route is not ours any more"


async def test_an_old_stream_delivers_until_its_fin(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.write("bob", 1)
        old = await world.attached()
        assert await old.seqs(1) == [1]
        moved = logic_pb2.Superseded(
            user_id="bob", device_id="phone", epoch=150, instance_id="i1", pod_id="access-0"
        )
        world.logic.say(logic_pb2.LinkResponse(superseded=[moved]))
        world.logic.write("bob", 2)
        world.logic.push("bob", 2)
        assert await old.seqs(1) == [2], "the new stream may not be welcomed yet"
        assert (await old.next("fin")).last_seq == 2
        await old.ended()


async def test_an_attempt_that_comes_too_late_gets_a_fin(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.router.refuses_attempts = True
        client = await world.client()
        await client.say(hello())
        await client.expect("fin")
        await client.ended()
        assert world.router.detached == []


async def test_a_lost_registry_is_answered_by_asserting_at_once(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        for user in ("bob", "carol"):
            await world.attached(user)
        checks = len(world.logic.head_checks)
        world.router.lose_registry()
        await world.router.until(lambda: len(world.router.asserted) == 2)
        epochs = {(session.user_id, session.epoch) for session in world.router.asserted}
        assert epochs == {("bob", 101), ("carol", 102)}
        assert {session.pod_id for session in world.router.asserted} == {"access-0"}
        await world.logic.until(lambda: len(world.logic.head_checks) >= checks + 2)


async def test_a_session_whose_assert_is_outdated_ends(tmp_path: Path) -> None:
    async with access_world(tmp_path, assert_seconds=0.1) as world:
        client = await world.attached()
        kept = await world.attached("carol")
        world.router.routes["bob", "phone"] = router_pb2.Session(instance_id="i9", epoch=900)
        assert (await client.closed()).code == access_pb2.CLOSE_CODE_SUPERSEDED
        await kept.say(sends(text("m1")))
        await kept.next("accepted")


async def test_sessions_are_asserted_and_their_heads_checked_every_interval(
    tmp_path: Path,
) -> None:
    async with access_world(tmp_path, assert_seconds=0.1) as world:
        client = await world.attached()
        world.logic.write("bob", 1)  # committed, and the push was lost
        assert await client.seqs(1) == [1]
        await world.router.until(lambda: len(world.router.asserted) >= 2)


async def test_a_stream_that_breaks_is_detached(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.write("bob", 1)
        client = await world.attached()
        assert await client.seqs(1) == [1]
        client.call.cancel()
        await world.router.until(lambda: len(world.router.detached) == 1)
        assert world.router.detached[0].epoch == 101
        await world.logic.until(lambda: bool(world.logic.unacknowledged))


async def test_a_stream_that_breaks_while_it_attaches_leaves_no_route(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.logic.answers_attaches = False
        client = await world.client()
        await client.say(hello())
        await world.logic.until(lambda: len(world.logic.attaches) == 1)
        client.call.cancel()
        await world.router.until(lambda: len(world.router.detached) == 1)


async def test_other_access_pods_are_named_after_this_one(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        world.router.set_pod(
            router_pb2.Pod(
                pod_id="access-1",
                incarnation="i",
                role=router_pb2.POD_ROLE_ACCESS,
                state=router_pb2.POD_STATE_ACTIVE,
                client_endpoint="elsewhere:1",
                arrivals_per_second=100,
            )
        )
        attempt = 0
        endpoints: list[str] = []
        while len(endpoints) < 2:
            attempt += 1
            client = await world.client()
            endpoints = list((await client.attach(attempt=attempt)).endpoints)
        assert endpoints == [world.chassis.address, "elsewhere:1"]


async def test_a_stopping_pod_closes_its_streams_and_stores_their_acks(tmp_path: Path) -> None:
    async with access_world(
        tmp_path, ack_flush_seconds=60, drain={"close_spread_seconds": 8}
    ) as world:
        world.logic.write("bob", 1)
        clients = [await world.attached("bob")]
        assert await clients[0].seqs(1) == [1]
        await clients[0].say(ack(1))
        clients += [await world.attached(f"user{number}") for number in range(2)]
        clients.append(await world.client())  # has not said who it is
        await clients[-1].say()
        stream = world.stream_of("bob")
        while stream.session.cursor < 1:
            await clients[0].say(access_pb2.ConnectRequest(ping=access_pb2.Ping()))
            await clients[0].next("pong")
        closing = [asyncio.create_task(client.closed()) for client in clients]
    closes = [await task for task in closing]
    assert {close.code for close in closes} == {access_pb2.CLOSE_CODE_SHUTDOWN}
    delays = sorted(close.retry_after_ms for close in closes)
    assert delays[0] == 0, "spread, from now on"
    assert len(set(delays)) == 4
    assert delays[-1] <= 8000
    assert world.logic.cursors["bob", "phone"] == 1
    assert len(world.router.detached) == 3
    assert world.router.unregistered == ["access-0"]
    assert world.router.registered[-1].state == router_pb2.POD_STATE_DRAINING


async def test_an_ended_stream_leaves_nothing_for_the_collector(tmp_path: Path) -> None:
    def drivers() -> int:
        return sum(type(one) is StreamDriver for one in gc.get_objects())

    async with access_world(tmp_path) as world:
        gc.collect()
        gc.disable()  # full collections are rare on purpose: see serve.py
        try:
            for number in range(5):
                world.logic.write(f"u{number}", 1)
                client = await world.attached(f"u{number}")
                assert await client.seqs(1) == [1]
                await client.say(ack(1), BYE)
                await client.ended()
            await until(lambda: drivers() == 0)
        finally:
            gc.enable()
