"""How streams and clients end: by the code alone, and without leaving anything behind."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import (
    Client,
    ClientSettings,
    ClientState,
    CloseCode,
    ConnectionClosed,
    ReconnectPolicy,
    WhimbrelError,
    connect,
)
from whimbrel.core.errors import ErrorCode
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

QUICK = ClientSettings(
    reconnect=ReconnectPolicy(cap_seconds=0.01),
    pong_timeout_seconds=0.3,
    welcome_timeout_seconds=0.5,
)

OUR_TASKS = {"whimbrel-client", "whimbrel-mover", "whimbrel-stream", "whimbrel-writer"}

pytestmark = pytest.mark.timeout(60)


def alice(access: ScriptedAccess) -> Client:
    return connect(access.endpoint, "token-alice", device="phone", settings=QUICK)


async def welcoming(stream: ScriptedStream) -> None:
    await stream.welcome()
    await stream.read_to_the_end()


async def wait_streams(client: Client, count: int) -> None:
    async with asyncio.timeout(20):
        while client.statistics().streams < count or client.state is not ClientState.ATTACHED:
            await asyncio.sleep(0)


async def test_superseded_raises_and_does_not_reconnect() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.read_sends(1)
        await stream.close(CloseCode.SUPERSEDED)

    async with ScriptedAccess(script, welcoming) as access, alice(access) as im:
        listening = asyncio.ensure_future(anext(im.events()))
        with pytest.raises(ConnectionClosed) as ending:
            await im.send("bob", "hello")
        assert ending.value.code is CloseCode.SUPERSEDED
        with pytest.raises(ConnectionClosed):
            await listening
        with pytest.raises(ConnectionClosed):
            await im.send("bob", "again")
        assert im.state is ClientState.CLOSED
    assert len(access.hellos) == 1


@pytest.mark.parametrize("code", [CloseCode.SHUTDOWN, CloseCode.OVERLOADED, CloseCode.INTERNAL])
async def test_codes_below_200_reconnect(code: CloseCode) -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.close(code)

    async with ScriptedAccess(script, welcoming) as access, alice(access) as im:
        await wait_streams(im, 2)
        assert im.statistics().last_end.startswith(code.name)


async def test_retry_after_is_honoured() -> None:
    async def script(stream: ScriptedStream) -> None:
        closed.append(asyncio.get_running_loop().time())
        await stream.close(CloseCode.OVERLOADED, retry_after_ms=300)

    closed: list[float] = []
    async with ScriptedAccess(script, welcoming) as access, alice(access):
        assert asyncio.get_running_loop().time() - closed[0] >= 0.3


async def test_fin_ends_the_stream_and_the_client_goes_on() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.write(access_pb2.ConnectResponse(fin=access_pb2.Fin(last_seq=0)))

    async with ScriptedAccess(script, welcoming) as access, alice(access) as im:
        await wait_streams(im, 2)


async def test_a_server_that_does_not_answer_pings_is_given_up() -> None:
    async def deaf(stream: ScriptedStream) -> None:
        await stream.welcome(1, heartbeat_interval_ms=50)
        assert (await stream.read_to_the_end()) == ["ping"]

    async with ScriptedAccess(deaf, welcoming) as access, alice(access) as im:
        await wait_streams(im, 2)
        assert im.statistics().last_end == "the server did not answer a ping"


async def test_a_server_that_never_welcomes_is_given_up() -> None:
    async def silent(stream: ScriptedStream) -> None:
        await stream.read_to_the_end()

    async with ScriptedAccess(silent, welcoming) as access, alice(access) as im:
        assert im.statistics().attempts == 2
        assert im.statistics().last_end == "no Welcome in time"


@contextmanager
def dead_endpoint() -> Iterator[str]:
    """A port that is taken, so that nobody else gets it meanwhile, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


async def test_the_next_endpoint_is_tried_when_one_is_dead() -> None:
    with dead_endpoint() as dead:
        async with ScriptedAccess(welcoming) as access:
            client = connect([dead, access.endpoint], "token-alice", device="phone", settings=QUICK)
            async with client as im:
                assert im.statistics().endpoint == access.endpoint
                assert "UNAVAILABLE" in im.statistics().last_end


async def test_connecting_gives_up_when_its_time_is_over() -> None:
    with dead_endpoint() as dead, pytest.raises(WhimbrelError) as refusal:
        async with connect(dead, "token-alice", timeout_seconds=0.3, settings=QUICK):
            pass
    assert refusal.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert "UNAVAILABLE" in refusal.value.detail


async def test_a_refused_token_ends_connecting_at_once() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.close(CloseCode.BAD_TOKEN)

    async with ScriptedAccess(script) as access:
        with pytest.raises(ConnectionClosed) as ending:
            async with alice(access):
                pass
        assert ending.value.code is CloseCode.BAD_TOKEN


async def test_an_expired_token_is_renewed_when_there_is_a_newer_one() -> None:
    async def expired(stream: ScriptedStream) -> None:
        assert stream.hello.token == "token-old"
        tokens.pop(0)
        await stream.close(CloseCode.TOKEN_EXPIRED)

    tokens = ["token-old", "token-alice"]
    async with ScriptedAccess(expired, welcoming) as access:
        client = connect(access.endpoint, lambda: tokens[0], device="phone", settings=QUICK)
        async with client as im:
            assert im.user_id == "alice"


async def test_what_the_token_function_raises_ends_the_client() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        broken.append(True)

    def token() -> str:
        if broken:
            raise LookupError("no token is left")
        return "token-alice"

    broken: list[bool] = []
    async with ScriptedAccess(script) as access:
        client = connect(access.endpoint, token, device="phone", settings=QUICK)
        await client.__aenter__()
        with pytest.raises(ConnectionClosed, match="no token is left"):
            await anext(client.events())
        with pytest.raises(LookupError):
            await client.__aexit__(None, None, None)


async def test_leaving_flushes_the_ack_says_bye_and_leaves_nothing() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.deliver([1, 2])
        kinds.extend(await stream.read_to_the_end())
        assert stream.acks == [2]

    kinds: list[str] = []
    async with ScriptedAccess(script) as access:
        async with alice(access) as im:
            events = im.events()
            await anext(events)
            await anext(events)
            asking = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)  # let it ask: the second is handled now
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert {name for name in names if name.startswith("whimbrel")} == OUR_TASKS
        with pytest.raises(StopAsyncIteration):
            await asking
        async with asyncio.timeout(10):
            while access.open_streams:
                await asyncio.sleep(0)
        assert kinds == ["ack", "bye"]
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not [name for name in names if name.startswith("whimbrel")]
        del im, events
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is grpc.aio.Channel]


async def test_leaving_while_nothing_is_connected_is_quick() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()

    slow = ClientSettings(reconnect=ReconnectPolicy(lost_rungs=(1_000,), failed_rungs=(1_000,)))
    async with ScriptedAccess(script) as access:
        async with connect(access.endpoint, "token-alice", settings=slow) as im, asyncio.timeout(5):
            while im.statistics().streams < 1 or im.state is ClientState.ATTACHED:
                await asyncio.sleep(0)
        assert im.state is ClientState.CLOSED
