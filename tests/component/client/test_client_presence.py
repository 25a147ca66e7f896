"""App states, heartbeats and networks, as a scripted server sees them."""

from __future__ import annotations

import asyncio

import pytest

from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import (
    Client,
    ClientSettings,
    ClientState,
    MemoryStore,
    ReconnectPolicy,
    WhimbrelError,
    connect,
)
from whimbrel.core.errors import ErrorCode
from whimbrel.core.nat_probe import Learned, ProbePolicy
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

BOUNDS = {"background_heartbeat_min_ms": 40, "background_heartbeat_max_ms": 100}
PROBE = ProbePolicy(minimum_probes=2, step_seconds=0.02, margin_seconds=0.01)
QUICK = ClientSettings(reconnect=ReconnectPolicy(cap_seconds=0.01), probe=PROBE)
NEVER = ClientSettings(
    reconnect=ReconnectPolicy(lost_rungs=(10_000,), failed_rungs=(10_000,)),
    welcome_timeout_seconds=10_000,
)
PONG = access_pb2.ConnectResponse(pong=access_pb2.Pong())

pytestmark = pytest.mark.timeout(60)


def alice(access: ScriptedAccess, settings: ClientSettings = QUICK) -> Client:
    return connect(access.endpoint, "token-alice", device="phone", settings=settings)


async def storm(stream: ScriptedStream, foreground_ms: int, background_ms: int) -> None:
    window = access_pb2.StormWindow(foreground_ms=foreground_ms, background_ms=background_ms)
    pong = access_pb2.Pong(storm_window=window)
    await stream.write(access_pb2.ConnectResponse(pong=pong))


async def welcoming(stream: ScriptedStream) -> None:
    await stream.welcome(1, **BOUNDS)
    await stream.read_to_the_end()


async def until_attached(client: Client, streams: int) -> None:
    await until(
        lambda: client.statistics().streams >= streams and client.state is ClientState.ATTACHED
    )


async def until_waiting(client: Client) -> None:
    await until(lambda: client.state is ClientState.WAITING)


async def test_app_states_are_told_by_frame_and_by_hello() -> None:
    async def script(stream: ScriptedStream) -> None:
        assert not stream.hello.HasField("app_state"), "in the foreground"
        await stream.welcome(1, background_heartbeat_min_ms=60_000, background_heartbeat_max_ms=1)
        told.append((await stream.read_until("app_state")).app_state)
        im.set_background(False)
        told.append((await stream.read_until("app_state")).app_state)
        im.set_background(True)
        told.append((await stream.read_until("app_state")).app_state)

    told: list[access_pb2.AppState] = []
    async with ScriptedAccess(script, welcoming) as access, alice(access) as im:
        im.set_background(True)
        await until_attached(im, 2)
        away = access_pb2.AppState(background=True, heartbeat_interval_ms=60_000)
        assert told == [away, access_pb2.AppState(), away]
        assert access.hellos[1].app_state == away, "in the background from the first moment"


async def test_a_server_without_bounds_is_told_nothing() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome(1, heartbeat_interval_ms=30)
        for _ in range(3):
            frame = await stream.read()
            assert frame.WhichOneof("frame") == "ping", "an AppState would end this stream"
            await stream.write(PONG)

    async with ScriptedAccess(script, welcoming) as access, alice(access) as im:
        im.set_background(True)
        await until_attached(im, 2)


async def test_in_the_background_the_interval_grows_is_told_and_is_remembered() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome(1, **BOUNDS)
        while not told or told[-1] < 100:
            frame = await stream.read()
            if frame.HasField("ping"):
                await stream.write(PONG)
            elif frame.HasField("app_state"):
                told.append(frame.app_state.heartbeat_interval_ms)
        await stream.read_until("ping")
        await stream.write(PONG)
        await stream.read_to_the_end()

    told: list[int] = []
    store = MemoryStore()
    async with ScriptedAccess(script, welcoming) as access:
        client = connect(access.endpoint, "token-alice", store=store, settings=QUICK)
        client.network_changed("home")
        client.set_background(True)

        async def has_learned() -> bool:
            return (await store.load()).heartbeats.get("home") == Learned(0.1, is_settled=False)

        async with client as im:
            await until(has_learned)
            assert im.statistics().heartbeat.network_id == "home"
        assert access.hellos[0].app_state.background
        assert told == [40, 60, 80, 100]
        again = connect(access.endpoint, "token-alice", store=store, settings=QUICK)
        again.network_changed("home")
        again.set_background(True)
        async with again as im:
            assert im.statistics().heartbeat.interval_seconds == pytest.approx(0.1)


async def test_without_a_network_nothing_is_tried_and_its_return_is_tried_at_once() -> None:
    async with ScriptedAccess(welcoming, welcoming) as access, alice(access, NEVER) as im:
        im.network_changed(None)
        await until_waiting(im)
        assert im.statistics().last_end == "the network is down"
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(access.hellos) == 1
        waiting = asyncio.ensure_future(im.send("bob", "later"))
        await asyncio.sleep(0)
        im.network_changed("cell")
        await until_attached(im, 2)
        waiting.cancel()
        assert len(access.hellos) == 2


async def test_the_same_network_is_no_news_and_another_one_is_connected_on_at_once() -> None:
    async with ScriptedAccess(*[welcoming] * 3) as access, alice(access, NEVER) as im:
        im.network_changed("home")
        await until_attached(im, 2)
        im.network_changed("home")
        for _ in range(100):
            await asyncio.sleep(0)
        assert im.statistics().streams == 2
        im.network_changed("cell")
        await until_attached(im, 3)
        assert im.statistics().last_end == "the network has changed"


async def test_an_attempt_on_the_old_network_is_given_up_in_mid_greeting() -> None:
    async def silent(stream: ScriptedStream) -> None:
        im.network_changed("cell")
        await stream.read_to_the_end()

    async with ScriptedAccess(welcoming, silent, welcoming) as access, alice(access, NEVER) as im:
        im.network_changed("home")
        await until_attached(im, 2)
        assert im.statistics().attempts == 3


async def test_a_client_that_begins_without_a_network_does_not_even_try() -> None:
    async with ScriptedAccess(welcoming) as access:
        client = connect(access.endpoint, "token-alice", timeout_seconds=0.2, settings=QUICK)
        client.network_changed(None)
        with pytest.raises(WhimbrelError) as refusal:
            async with client:
                pass
        assert refusal.value.code is ErrorCode.DEADLINE_EXCEEDED
        assert access.hellos == []


@pytest.mark.parametrize("is_background", [False, True])
async def test_a_lost_stream_waits_within_the_window_of_its_app_state(is_background: bool) -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome(1, **BOUNDS)
        await storm(stream, *((10**9, 1) if is_background else (1, 10**9)))

    async with ScriptedAccess(script, welcoming) as access:
        client = alice(access, NEVER)
        client.set_background(is_background)
        async with client as im:
            await until_attached(im, 2)


async def test_coming_to_the_foreground_ends_a_wait_of_the_background() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome(1, **BOUNDS)
        await storm(stream, 1, 10**9)

    async with ScriptedAccess(script, welcoming) as access:
        client = alice(access, NEVER)
        client.set_background(True)
        async with client as im:
            await until_waiting(im)
            im.set_background(False)
            await until_attached(im, 2)


async def test_a_network_needs_a_name_of_bearable_length() -> None:
    async with ScriptedAccess() as access:
        client = alice(access)
        for wrong in ("", "x" * 257):
            with pytest.raises(ValueError):
                client.network_changed(wrong)
