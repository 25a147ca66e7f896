"""Pings, app states and storm windows on real streams."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from services.access.announcements import StormWindow
from tests.component.access.access_world import PING, ScriptedClient, access_world
from whimbrel.api.access.v1 import access_pb2


def app_state(background: bool, interval_ms: int = 0) -> access_pb2.ConnectRequest:
    state = access_pb2.AppState(background=background, heartbeat_interval_ms=interval_ms)
    return access_pb2.ConnectRequest(app_state=state)


async def silence_of(client: ScriptedClient) -> float:
    """Seconds until the pod gives the client up."""
    clock = asyncio.get_running_loop().time
    begin = clock()
    assert (await client.closed()).code == access_pb2.CLOSE_CODE_HEARTBEAT_TIMEOUT
    return clock() - begin


async def test_welcome_names_the_bounds_and_a_pong_has_two_bytes(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.client()
        welcome = await client.attach()
        assert welcome.heartbeat_interval_ms == 30_000
        assert welcome.background_heartbeat_min_ms == 60_000
        assert welcome.background_heartbeat_max_ms == 270_000
        await client.say(PING)
        assert (await client.read()).ByteSize() == 2


async def test_a_changed_storm_window_reaches_each_stream_once(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        clients = [await world.attached(user) for user in ("bob", "carol")]
        world.stream_of("bob").services.storm.set(StormWindow(7_000, 70_000))
        for client in clients:
            await client.say(PING)
            window = (await client.expect("pong")).storm_window
            assert (window.foreground_ms, window.background_ms) == (7_000, 70_000)
            await client.say(PING)
            assert (await client.read()).ByteSize() == 2
        late = await world.client()
        assert (await late.attach("dave")).storm_window.foreground_ms == 7_000


async def test_a_client_in_the_background_may_be_silent_for_longer(tmp_path: Path) -> None:
    bounds: dict[str, Any] = {
        "background_heartbeat_min_seconds": 0.4,
        "background_heartbeat_max_seconds": 0.6,
    }
    async with access_world(tmp_path, heartbeat_seconds=0.1, **bounds) as world:
        by_frame = await world.attached("bob")
        await by_frame.say(app_state(True, 1))  # clamped to 400 ms
        by_hello = await world.attached(
            "carol", app_state=access_pb2.AppState(background=True, heartbeat_interval_ms=10**6)
        )
        waits = await asyncio.gather(silence_of(by_frame), silence_of(by_hello))
        assert waits[0] >= 0.9, "two and a half times 0.4 s, less what the test took to ask"
        assert waits[1] >= 1.4


async def test_back_in_the_foreground_the_short_interval_holds_again(tmp_path: Path) -> None:
    async with access_world(tmp_path, heartbeat_seconds=0.1) as world:
        client = await world.attached()
        await client.say(app_state(True, 270_000))
        await client.say(app_state(False))
        assert await silence_of(client) < 5.0, "not eleven minutes"
