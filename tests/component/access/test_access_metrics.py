"""What a real Access pod shows to a scraper while clients come, go, and are moved away."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from tests.component.access.access_world import BYE, World, access_world, ack, sends, text
from tests.scraping import scrape, value
from tests.waiting import until


async def shown(world: World, name: str, **labels: str) -> float | None:
    return value(await scrape(world.chassis.metrics_address), name, **labels)


async def until_shown(world: World, expected: float, name: str, **labels: str) -> None:
    async def is_shown() -> bool:
        return await shown(world, name, **labels) == expected

    await until(is_shown)


async def test_sessions_are_counted_as_clients_attach_and_leave(tmp_path: Path) -> None:
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0") as world:
        assert await shown(world, "whimbrel_access_sessions") == 0
        bob = await world.attached("bob")
        assert await shown(world, "whimbrel_access_sessions") == 1
        await world.attached("carol")
        assert await shown(world, "whimbrel_access_sessions") == 2
        await bob.say(BYE)
        await until_shown(world, 1, "whimbrel_access_sessions")


async def test_a_pod_shows_its_links_and_that_it_is_open(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=2, metrics_listen="127.0.0.1:0") as world:
        await until_shown(world, 2, "whimbrel_access_logic_links")
        assert await shown(world, "whimbrel_access_drain_phase", phase="active") == 1
        assert await shown(world, "whimbrel_access_drain_sessions_remaining") == 0


async def test_no_label_names_a_user(tmp_path: Path) -> None:
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0") as world:
        await world.attached("a-very-special-user", device_id="a-very-special-device")
        seen = await scrape(world.chassis.metrics_address)
        assert value(seen, "whimbrel_access_sessions") == 1
        assert not [series for series in seen if "very-special" in str(series)]


async def test_what_streams_carry_is_summed_and_stays_when_they_end(tmp_path: Path) -> None:
    listen = "127.0.0.1:0"
    async with access_world(tmp_path, metrics_listen=listen, ack_timeout_seconds=0.2) as world:
        world.logic.write("bob", 1, 2, 3)
        bob = await world.attached("bob", cursor=1)
        assert await bob.seqs(4) == [2, 3, 2, 3]
        await bob.say(ack(2), sends(text("m-1")))
        figures = {
            "attaches": 1,
            "delivered": 4,
            "redelivered": 2,
            "acknowledged": 1,
            "sent": 1,
        }
        for name, count in figures.items():
            await until_shown(world, count, f"whimbrel_access_{name}_total")
        assert await shown(world, "whimbrel_access_streams") == 1
        assert await shown(world, "whimbrel_access_in_flight") == 1
        assert await shown(world, "whimbrel_access_window_fill_ratio") == 1 / 256
        with capture_logs() as logs:
            await bob.say(BYE)
            await until_shown(world, 1, "whimbrel_access_streams_closed_total", reason="bye")
        for name, count in figures.items():
            assert await shown(world, f"whimbrel_access_{name}_total") == count
        assert await shown(world, "whimbrel_access_streams") == 0
        (line,) = (one for one in logs if one["event"] == "stream_closed")
        expected = {
            "reason": "bye",
            "user": "bob",
            "device": "phone",
            "sent": 1,
            "delivered": 4,
            "redelivered": 2,
            "acknowledged": 1,
            "unacknowledged": 1,
            "arrived_by_move": False,
            "moved_on": False,
        }
        assert {name: line[name] for name in expected} == expected
        assert line["seconds"] > 0.2
        assert line["delivered_bytes"] > 100
