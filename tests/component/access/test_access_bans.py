"""An address that connects too often: who is kept out, who is not, and who hears of it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from tests.component.access.access_world import World, access_world
from tests.scraping import scrape, value
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2

BAD = "127.0.0.2"
SHELL: dict[str, Any] = {"connects_per_second": 30, "ban_seconds": 60.0}


def connects(world: World, source: str, seconds: float = 0.3) -> bool:
    """Whether a TCP connect from `source` comes through."""
    host, _, port = world.chassis.address.rpartition(":")
    with socket.socket() as own:
        own.bind((source, 0))
        own.settimeout(seconds)
        try:
            own.connect((host, int(port)))
        except TimeoutError:
            return False
        return True


async def flood(world: World, source: str, count: int = 60) -> None:
    """Bare connects that say nothing."""
    for _ in range(count):
        if not await asyncio.to_thread(connects, world, source):
            return


async def banned(world: World, source: str) -> None:
    async def is_out() -> bool:
        return not await asyncio.to_thread(connects, world, source)

    await until(is_out)


async def test_bare_connects_get_an_address_banned_and_nobody_else(tmp_path: Path) -> None:
    async with access_world(tmp_path, metrics_listen="127.0.0.1:0", shell=SHELL) as world:
        before = await world.attached("alice")
        await flood(world, BAD)
        await banned(world, BAD)
        assert connects(world, "127.0.0.3")
        await world.attached("bob")
        await before.say(access_pb2.ConnectRequest(ping=access_pb2.Ping()))
        await before.next("pong")
        shown = await scrape(world.chassis.metrics_address)
        assert value(shown, "whimbrel_access_bans_total") == 1
        assert value(shown, "whimbrel_access_bans_active") == 1
