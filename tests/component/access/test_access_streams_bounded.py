"""How many streams a pod bears: of one address, of one user, without a name, and in all."""

from __future__ import annotations

from pathlib import Path

from tests.component.access.access_world import PING, World, access_world, hello
from tests.scraping import scrape, value
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2


async def refused(world: World, cause: str) -> float | None:
    shown = await scrape(world.chassis.metrics_address)
    return value(shown, "whimbrel_access_refused_streams_total", cause=cause)


async def test_of_too_many_that_say_nothing_the_oldest_is_ended(tmp_path: Path) -> None:
    shell = {"unnamed_streams_per_address": 3}
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=shell) as world:
        silent = []
        for count in (1, 2, 3):
            silent.append(await world.client())
            await silent[-1].call.wait_for_connection()

            async def all_wait(count: int = count) -> bool:
                shown = await scrape(world.chassis.metrics_address)
                return value(shown, "whimbrel_access_unnamed_streams") == count

            await until(all_wait)
        await world.attached("bob")
        assert (await silent[0].closed()).code == access_pb2.CLOSE_CODE_RATE_LIMITED
        await silent[1].attach("carol")
        await silent[2].attach("dave")
        assert await refused(world, "unnamed") == 1


async def test_a_user_has_a_bounded_number_of_streams(tmp_path: Path) -> None:
    shell = {"streams_per_user": 2}
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=shell) as world:
        first = await world.attached("bob", device_id="d1")
        await world.attached("bob", device_id="d2")
        third = await world.client()
        await third.say(hello("bob", device_id="d3"))
        close = await third.closed()
        assert close.code == access_pb2.CLOSE_CODE_RATE_LIMITED
        assert close.retry_after_ms == 5_000
        await world.attached("carol")
        await first.say(access_pb2.ConnectRequest(bye=access_pb2.Bye()))
        await first.ended()
        await world.attached("bob", device_id="d3")
        assert await refused(world, "user") == 1


async def test_an_address_has_a_bounded_number_of_streams_and_who_is_there_stays(
    tmp_path: Path,
) -> None:
    shell = {"streams_per_address": 2}
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=shell) as world:
        bob = await world.attached("bob")
        await world.attached("carol")
        third = await world.client()
        assert (await third.closed()).code == access_pb2.CLOSE_CODE_RATE_LIMITED
        await bob.say(PING)
        await bob.next("pong")
        assert await refused(world, "address") == 1


async def test_a_full_pod_says_busy_and_so_does_one_that_is_short_of_memory(
    tmp_path: Path,
) -> None:
    for shell, cause in (({"streams": 1}, "full"), ({"memory_mib": 1}, "memory")):
        async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=shell) as world:
            if cause == "full":
                await world.attached("bob")

            async def says_busy() -> bool:
                client = await world.client()
                await client.say(hello("carol", migrates=True))
                return (await client.read()).WhichOneof("frame") == "busy"

            await until(says_busy)
            old = await world.client()
            await old.say(hello("dave"))
            assert (await old.closed()).code == access_pb2.CLOSE_CODE_OVERLOADED
            assert await refused(world, cause) == 2
