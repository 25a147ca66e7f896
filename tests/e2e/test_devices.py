"""One account on many devices, on a real stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from services.access.bootstrap import SERVICE
from services.access.settings import AccessSettings, DeviceSettings
from tests.component.access.access_world import ScriptedClient, ack
from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import ClientState, CloseCode, ConnectionClosed, connect
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.settings import PodSettings, RouterTarget
from whimbrel.testing.servers import running_service

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

BYE = access_pb2.ConnectRequest(bye=access_pb2.Bye())
ACCOUNT = access_pb2.CURSOR_SCOPE_ACCOUNT


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    """One stack for all, so each test has an account of its own."""
    async with Stack.start(StackSpec(gateway=0, push=0, drain=0)) as started:
        yield started


@asynccontextmanager
async def device(
    stack: Stack, name: str, cursor: int, **fields: Any
) -> AsyncIterator[tuple[ScriptedClient, access_pb2.Welcome]]:
    """A device of alice that says nothing by itself, and its Welcome."""
    client = ScriptedClient(stack.endpoints[0])
    async with client.channel:
        token = stack.token("alice")
        welcome = await client.attach("alice", device_id=name, cursor=cursor, token=token, **fields)
        yield client, welcome


async def test_what_a_device_gets_is_its_own_or_the_accounts_affair(stack: Stack) -> None:
    """The example: head 150 and 200, phone A, then phone B in both scopes."""
    bob = connect(stack.endpoints, stack.token("bob"), device="desk")

    async def say(count: int) -> None:
        await asyncio.gather(*(bob.send("alice", f"message {n}") for n in range(count)))

    async with bob:
        await say(150)
        async with device(stack, "phone-a", 100) as (phone, welcome):
            assert (welcome.first_seq, welcome.head) == (101, 150)
            assert await phone.seqs(50) == list(range(101, 151))
            await phone.say(ack(150, confirm_now=True))
            assert (await phone.next("ack_confirmed")).cursor == 150
            await phone.say(BYE)
            await phone.ended()

        await say(50)
        async with AsyncExitStack() as devices:
            phone, welcome = await devices.enter_async_context(device(stack, "phone-a", 150))
            assert (welcome.first_seq, welcome.head) == (151, 200)
            assert await phone.seqs(50) == list(range(151, 201))  # and acknowledges none

            other, welcome = await devices.enter_async_context(device(stack, "phone-c", 120))
            assert welcome.first_seq == 121
            assert await other.seqs(80) == list(range(121, 201))

            other, welcome = await devices.enter_async_context(
                device(stack, "phone-b", 120, cursor_scope=ACCOUNT)
            )
            assert welcome.first_seq == 151
            assert await other.seqs(50) == list(range(151, 201))

        tablet = connect(
            stack.endpoints,
            stack.token("alice"),
            device="tablet",
            platform="tablet",
            cursor=120,
            account_scope=True,
        )
        async with tablet:
            events = tablet.events()
            assert [(await anext(events)).seq for _ in range(50)] == list(range(151, 201))


async def ended(client: Any) -> CloseCode | None:
    """Why the server has ended a client for good."""
    with pytest.raises(ConnectionClosed) as ending:
        await asyncio.wait_for(anext(client.events()), 20)
    assert client.state is ClientState.CLOSED
    return ending.value.code


async def test_limits_hold_across_pods_and_end_clients_for_good(stack: Stack) -> None:
    limits = DeviceSettings(limits={"phone": 1, "desktop": 2}, policies={"desktop": "refuse"})
    async with AsyncExitStack() as running:
        # Pods of the same stack, in this process: its own know no limits.
        pods = [
            await running.enter_async_context(
                running_service(
                    SERVICE,
                    AccessSettings(
                        pod=PodSettings(id=f"access-{number}"),
                        router=RouterTarget(addresses=stack.router_addresses),
                        auth=AuthSettings(
                            keys_file=stack.folder.keys_file,
                            pod_secret_file=stack.folder.token_key,
                        ),
                        devices=limits,
                    ),
                )
            )
            for number in (8, 9)
        ]

        def carol(name: str, platform: str, pod: int) -> Any:
            token = stack.token("carol")
            return connect(pods[pod].address, token, device=name, platform=platform)

        first = await running.enter_async_context(carol("p1", "phone", 0))
        second = await running.enter_async_context(carol("p2", "phone", 1))
        assert await ended(first) is CloseCode.KICKED

        desks = [
            await running.enter_async_context(carol(f"d{pod}", "desktop", pod)) for pod in (0, 1)
        ]
        with pytest.raises(ConnectionClosed) as refusal:
            await running.enter_async_context(carol("d2", "desktop", 0))
        assert refusal.value.code is CloseCode.TOO_MANY_DEVICES

        # The newest of one device wins, wherever it is; so does a person who wants it back.
        newer = await running.enter_async_context(carol("d0", "desktop", 1))
        assert await ended(desks[0]) is CloseCode.SUPERSEDED
        back = await running.enter_async_context(carol("p1", "phone", 0))
        assert await ended(second) is CloseCode.KICKED

        receipt = await desks[1].send("carol", "a note")
        for client in (newer, back):
            event = await asyncio.wait_for(anext(client.events()), 20)
            assert event.message_id == receipt.message_id
