"""What the SDK says of its device, and what it does when the server has no place for it."""

from __future__ import annotations

import asyncio

import pytest

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import ClientState, CloseCode, ConnectionClosed, connect
from whimbrel.core.errors import WhimbrelError
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

pytestmark = pytest.mark.timeout(60)


async def welcoming(stream: ScriptedStream) -> None:
    await stream.welcome()
    await stream.read_to_the_end()


async def test_platform_and_scope_are_said_in_hello() -> None:
    async with ScriptedAccess(welcoming, welcoming) as access:
        async with connect(access.endpoint, "token-alice"):
            pass
        async with connect(access.endpoint, "token-alice", platform="phone", account_scope=True):
            pass
    assert [(hello.platform, hello.cursor_scope) for hello in access.hellos] == [
        ("", access_pb2.CURSOR_SCOPE_DEVICE),
        ("phone", access_pb2.CURSOR_SCOPE_ACCOUNT),
    ]


def test_a_platform_that_is_no_name_is_refused_at_once() -> None:
    with pytest.raises(WhimbrelError, match="platform must be"):
        connect("127.0.0.1:1", "token-alice", platform="my phone")


async def test_kicked_ends_the_client_for_good() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.close(CloseCode.KICKED)

    async with (
        ScriptedAccess(script, welcoming) as access,
        connect(access.endpoint, "token-alice") as im,
    ):
        with pytest.raises(ConnectionClosed) as ending:
            async with asyncio.timeout(20):
                await anext(im.events())
        assert ending.value.code is CloseCode.KICKED
        assert im.state is ClientState.CLOSED
    assert len(access.hellos) == 1


async def test_too_many_devices_ends_connecting_at_once() -> None:
    async def script(stream: ScriptedStream) -> None:
        await stream.close(CloseCode.TOO_MANY_DEVICES)

    async with ScriptedAccess(script, welcoming) as access:
        with pytest.raises(ConnectionClosed) as ending:
            async with connect(access.endpoint, "token-alice"):
                pass
        assert ending.value.code is CloseCode.TOO_MANY_DEVICES
    assert len(access.hellos) == 1
