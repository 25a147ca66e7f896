"""The host product hears of receipts and of who is there, through a whole stack: in order, once,
and also when the pod of those who were there is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.hosted import hosted
from tests.waiting import until
from whimbrel.client import Client, connect
from whimbrel.local.stack import Stack
from whimbrel.testing.host_product import HostProduct

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

CHAT = "d:alice:bob"
EVERYTHING = "message.sent,message.delivered,message.read,user.online,user.offline"

Hosted = tuple[Stack, HostProduct]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosted]:
    """One stack for all, so each test has people of its own."""
    folder = tmp_path_factory.mktemp("host")
    settings = {"events": EVERYTHING, "events_offline_seconds": "2"}
    async with hosted(folder, access=2, logic=2, **settings) as made:
        yield made


def person(stack: Stack, user: str, device: str = "phone") -> Client:
    return connect(
        stack.endpoints,
        stack.token(user),
        device=device,
        signals=True,
        delivered_receipts=True,
    )


async def take_everything(client: Client) -> None:
    async for _ in client.events():
        pass


async def test_a_message_is_heard_of_as_sent_then_delivered_then_read(running: Hosted) -> None:
    stack, host = running
    async with (
        person(stack, "alice") as alice,
        person(stack, "bob") as bob,
    ):
        receipt = await alice.send("bob", "hello")
        taking = asyncio.create_task(take_everything(bob))
        await until(lambda: ("message.delivered", "bob") in host.heard(CHAT))
        bob.signals.read(CHAT, receipt.message_id)
        await until(lambda: ("message.read", "bob") in host.heard(CHAT))
        taking.cancel()
        assert host.heard(CHAT) == [
            ("message.sent", "alice"),
            ("message.delivered", "bob"),
            ("message.read", "bob"),
        ]


async def test_a_second_device_and_a_move_are_neither_online_nor_offline(running: Hosted) -> None:
    stack, host = running
    async with person(stack, "carol"):
        await until(lambda: host.heard("carol"))
        async with person(stack, "carol", "desk"):
            # Both pods go away, one after the other, and the devices move.
            await stack.restart_role("access")
            await hears_of(stack, host, "dave")
    await until(lambda: ("user.offline", "carol") in host.heard("carol"))
    await until(lambda: ("user.offline", "dave") in host.heard("dave"))
    assert [kind for kind, _ in host.heard("carol")] == ["user.online", "user.offline"]


async def test_those_whose_pod_was_killed_with_logic_are_offline_and_come_back(
    running: Hosted,
) -> None:
    stack, host = running
    async with person(stack, "erin"):
        await until(lambda: host.heard("erin"))
        await stack.kill("logic-0")
    await until(lambda: ("user.offline", "erin") in host.heard("erin"), seconds=90)
    await hears_of(stack, host, "erin", 3)
    kinds = [kind for kind, _ in host.heard("erin")]
    assert kinds[:3] == ["user.online", "user.offline", "user.online"]


async def hears_of(stack: Stack, host: HostProduct, user: str, count: int = 1) -> None:
    """`user` comes, until that is heard of, and goes."""
    async with person(stack, user):
        await until(lambda: len(host.heard(user)) >= count)
