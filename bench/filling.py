"""Fills timelines with messages: through a link to Logic as an Access pod has one, or, for users
whose past alone matters, straight into the stores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import grpc

from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.domain.model import ClientKey, StoredMessage, TimelineEntry
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.names import direct_conversation
from whimbrel.local.cluster import list_pods
from whimbrel.local.stack import Stack
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import open_mongo

_FRAME: Final = 500
_UNDER_WAY: Final = 4_000
_ANSWER_SECONDS: Final = 60.0
_PAST_MESSAGES: Final = 2_000
"""Messages in one insert, each with its two entries."""


async def logic_address(stack: Stack) -> str:
    """host:port of one Logic pod."""
    pods = await list_pods(stack.router_addresses)
    return next(pod.address for pod in pods if pod.role == router_pb2.POD_ROLE_LOGIC)


def send(number: int, sender: str, receiver: str, body_bytes: int) -> logic_pb2.SendRequest:
    """A message of words, the number is its id."""
    return logic_pb2.SendRequest(
        ref=number,
        sender_id=sender,
        sender_device_id="phone",
        epoch=1,
        conversation_id=direct_conversation(sender, receiver),
        client_message_id=f"m{number}",
        body=types_pb2.Body(
            kind=types_pb2.BODY_KIND_TEXT, content=(b"word " * (body_bytes // 5 + 1))[:body_bytes]
        ),
        budget_ms=30_000,
    )


async def fill(channel: grpc.aio.Channel, sends: Iterable[logic_pb2.SendRequest]) -> int:
    """Send them all and wait until each is stored; how many. TimeoutError when Logic is silent for
    a minute, RuntimeError when it refuses one."""
    link: Any = logic_pb2_grpc.LogicServiceStub(channel).Link()
    hello = logic_pb2.LinkHello(pod_id="bench", incarnation="bench")
    await link.write(logic_pb2.LinkRequest(hello=hello))
    waiting = iter(sends)
    sent = stored = 0
    while True:
        batch = list(islice(waiting, _FRAME))
        if batch:
            await link.write(logic_pb2.LinkRequest(sends=batch))
            sent += len(batch)
        while sent > stored + (_UNDER_WAY if batch else 0):
            async with asyncio.timeout(_ANSWER_SECONDS):
                frame = await link.read()
            for result in frame.results:
                if not result.HasField("stored"):
                    raise RuntimeError(f"a message was refused: {result}")
                stored += 1
        if not batch:
            break
    await link.done_writing()
    return stored


async def give_a_past(mongo_url: str, users: range, messages_each: int = 1) -> None:
    """Users who exist and have timelines: `messages_each` sent and as many received by each, in a
    ring. Their messages are older than any that is sent later."""
    async with open_mongo(MongoSettings(url=mongo_url)) as database:
        messages = MongoMessageStore(database)
        timelines = MongoTimelineStore(database)
        past = past_of(users, messages_each)
        while batch := list(islice(past, _PAST_MESSAGES)):
            await messages.insert([message for message, _ in batch])
            await timelines.insert([entry for _, entries in batch for entry in entries])


def past_of(
    users: range, messages_each: int
) -> Iterator[tuple[StoredMessage, list[TimelineEntry]]]:
    """Each message with its two entries. Pure: the same users have the same past."""
    for turn in range(messages_each):
        for number in users:
            sender = f"past-{number}"
            receiver = f"past-{users.start + (number - users.start + 1) % len(users)}"
            message_id = 1 + users.start * messages_each + turn * len(users) + number - users.start
            conversation = direct_conversation(sender, receiver)
            key = ClientKey(sender, "phone", f"past-{turn}")
            message = StoredMessage(
                message_id,
                key,
                conversation,
                (sender, receiver),
                types_pb2.BODY_KIND_TEXT,
                b"word " * 20,
                1,
                b"",
            )
            seqs = ((sender, 2 * turn + 1), (receiver, 2 * turn + 2))
            entries = [
                TimelineEntry(user, seq, message_id, conversation, sender) for user, seq in seqs
            ]
            yield message, entries


async def fill_stack(stack: Stack, sends: Iterable[logic_pb2.SendRequest]) -> int:
    """`fill` through the first Logic pod of a stack."""
    async with open_channel(await logic_address(stack)) as channel:
        return await fill(channel, sends)
