"""Typing, receipts, presence, recall and edit, between real pods and real clients."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from whimbrel.api.social.v1 import social_pb2, social_pb2_grpc
from whimbrel.client import (
    Client,
    DeliveredEvent,
    MessageEvent,
    PresenceEvent,
    ReadEvent,
    SignalEvent,
    TypingEvent,
    connect,
)
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.names import direct_conversation
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.channels import open_channel

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stack]:
    """One stack for all, so each test has people of its own."""
    async with Stack.start(StackSpec(access=2, logic=2, gateway=0, push=0, drain=0)) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Stack) -> Stack:
    """With all its pods, whatever the test before has killed."""
    await running.wait_healthy()
    return running


class Heard:
    """What one client heard, kept while the test goes on."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.signals: list[SignalEvent] = []
        self.messages: list[MessageEvent] = []
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        async for event in self.client.signals.events():
            self.signals.append(event)
            self._changed.set()

    async def receive(self) -> None:
        async for event in self.client.events():
            self.messages.append(event)
            self._changed.set()

    async def until(self, satisfied: Callable[[Heard], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not satisfied(self):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def hearing(
    stack: Stack, user: str, device: str = "phone", *, pod: int = 0, **options: Any
) -> AsyncIterator[Heard]:
    options = {"signals": True, "platform": device, **options}
    endpoint = stack.endpoints[pod]
    async with connect(endpoint, stack.token(user), device=device, **options) as client:
        heard = Heard(client)
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(heard.receive())]
            if options["signals"]:
                loops.append(tasks.create_task(heard.listen()))
            yield heard
            for loop in loops:
                loop.cancel()


async def test_what_is_said_beside_the_messages_is_heard_on_the_other_pod(stack: Stack) -> None:
    chat = direct_conversation("alice", "bob")
    async with (
        hearing(stack, "alice", pod=0, delivered_receipts=True) as alice,
        hearing(stack, "alice", "desktop", pod=1) as desk,
        hearing(stack, "bob", pod=1, delivered_receipts=True) as bob,
        hearing(stack, "bob", "web", pod=0, signals=False) as old,
    ):
        bob.client.signals.typing(chat)
        await alice.until(lambda one: TypingEvent(chat, "bob", False) in one.signals)
        await desk.until(lambda one: TypingEvent(chat, "bob", False) in one.signals)
        receipt = await alice.client.send("bob", "hello")
        message_id = receipt.message_id
        await alice.until(lambda one: DeliveredEvent(chat, "bob", message_id) in one.signals)
        await bob.until(lambda one: one.messages)
        bob.client.signals.read(chat, message_id)
        for one in (alice, desk, bob):
            await one.until(lambda one: ReadEvent(chat, "bob", message_id) in one.signals)
        assert await alice.client.reads(chat) == {"bob": message_id}, "stored before it was said"
        assert not any(isinstance(event, TypingEvent) for event in bob.signals)
        assert not any(isinstance(event, DeliveredEvent) for event in desk.signals)
        await old.until(lambda one: one.messages)
        assert old.client.statistics().streams == 1, "who knows no signals is not disturbed"


async def show_presence(stack: Stack, user: str) -> None:
    """Let everybody see that this user is online: by default only friends do."""
    shown = social_pb2.Privacy(presence=social_pb2.AUDIENCE_EVERYBODY)
    async with open_channel(stack.endpoint_of("logic-0")) as channel:
        await social_pb2_grpc.SocialServiceStub(channel).SetPrivacy(
            social_pb2.SetPrivacyRequest(caller_id=user, privacy=shown), timeout=10
        )


async def test_presence_follows_devices_and_comes_again_after_a_reconnect(stack: Stack) -> None:
    async with hearing(stack, "carol", pod=0) as carol:
        await show_presence(stack, "dave")
        carol.client.signals.watch(["dave", "erin"])
        await carol.until(lambda one: PresenceEvent("dave", (), 0) in one.signals)
        async with hearing(stack, "dave", "phone", pod=1):
            await carol.until(lambda one: PresenceEvent("dave", ("phone",), 0) in one.signals)
            async with hearing(stack, "dave", "desktop", pod=1):
                both = PresenceEvent("dave", ("desktop", "phone"), 0)
                await carol.until(lambda one: both in one.signals)
            await stack.kill("access-0", signal.SIGKILL)
            carol.signals.clear()
            await carol.until(lambda one: PresenceEvent("dave", ("phone",), 0) in one.signals, 30)
        await carol.until(
            lambda one: any(
                isinstance(event, PresenceEvent) and not event.is_online and event.last_seen_ms
                for event in one.signals
                if event.user_id == "dave"
            )
        )


async def test_a_read_that_nobody_confirmed_is_said_again(stack: Stack) -> None:
    """Both Logic pods are away while the reader says so."""
    chat = direct_conversation("frank", "grace")
    async with (
        hearing(stack, "frank", pod=0) as frank,
        hearing(stack, "grace", pod=1) as grace,
    ):
        message_id = (await frank.client.send("grace", "hello")).message_id
        await grace.until(lambda one: one.messages)
        for pod in ("logic-0", "logic-1"):
            await stack.kill(pod, signal.SIGKILL)
        grace.client.signals.read(chat, message_id)
        await frank.until(lambda one: ReadEvent(chat, "grace", message_id) in one.signals, 40)


async def test_a_recall_and_an_edit_reach_who_is_there_and_who_comes_late(stack: Stack) -> None:
    chat = direct_conversation("heidi", "ivan")
    async with hearing(stack, "heidi") as heidi:
        async with hearing(stack, "ivan", pod=1) as ivan:
            first = await heidi.client.send("ivan", "teh")
            secret = await heidi.client.send("ivan", "secret")
            edit = await heidi.client.edit(chat, first.message_id, "the")
            recall = await heidi.client.recall(chat, secret.message_id)
            await ivan.until(lambda one: len(one.messages) == 4)
            changes = [event.attributes for event in ivan.messages]
            assert changes[2].edits == first.message_id
            assert ivan.messages[2].text == "the"
            assert changes[3].recalls == secret.message_id
            with pytest.raises(WhimbrelError, match="PERMISSION_DENIED"):
                await ivan.client.recall(chat, first.message_id)
        async with hearing(stack, "ivan", "desktop", pod=0, cursor=0) as late:
            await late.until(lambda one: len(one.messages) == 4)
            shown = [(event.body, event.edited_by, event.recalled_by) for event in late.messages]
            assert shown[:2] == [(b"the", edit.message_id, 0), (b"", 0, recall.message_id)]
