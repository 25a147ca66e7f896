"""A client that is asked to move: the new stream first, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.component.client.moving_client import (
    DEAD_END,
    Losses,
    alice,
    fin,
    migrate,
    take,
    verdict,
)
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.errors import ErrorCode
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

pytestmark = pytest.mark.timeout(60)


async def test_a_move_opens_the_new_stream_first_and_delivers_each_message_once() -> None:
    switched = asyncio.Event()

    async def old(stream: ScriptedStream) -> None:
        await stream.welcome(1, head=3)
        await stream.deliver([1, 2, 3])
        await migrate(stream, new_pod.endpoint)
        assert (await verdict(stream)).verdict == access_pb2.MIGRATE_VERDICT_GO
        await switched.wait()
        await stream.deliver([4, 5])  # it does not know of its successor yet
        await fin(stream)
        assert not {"send", "ack", "ping"} & set(await stream.read_to_the_end())

    async def new(stream: ScriptedStream) -> None:
        hello = stream.hello
        assert (hello.ticket, hello.plan_id, hello.attempt, hello.migrates) == (
            "ticket-0",
            "plan",
            2,
            True,
        )
        await stream.welcome(hello.cursor + 1, head=6)
        await stream.deliver(range(hello.cursor + 1, 7))
        await stream.read_acks_to(5)  # the sixth is in hand; so it has read the Welcome
        switched.set()
        await stream.read_to_the_end()

    losses = Losses()
    async with ScriptedAccess(new) as new_pod, ScriptedAccess(old) as pod, alice(pod, losses) as im:
        seen = [event.seq for event in await take(im, 6)]
        assert seen == [1, 2, 3, 4, 5, 6]
        await until(lambda: pod.open_streams == 0)
        assert im.statistics().attempts == 2
        assert losses.count == 0, "it never was without a stream"
        assert im.statistics().endpoint == new_pod.endpoint
        await until(lambda: im.statistics().inbox.confirmed == 5)  # the sixth is in hand


async def test_an_ack_names_only_what_has_come_on_its_own_stream() -> None:
    switched, delivered = asyncio.Event(), asyncio.Event()

    async def old(stream: ScriptedStream) -> None:
        await stream.welcome(1, head=0)
        await migrate(stream, new_pod.endpoint)
        await switched.wait()
        await stream.deliver([1, 2, 3, 4])
        delivered.set()
        await stream.read_to_the_end()

    async def new(stream: ScriptedStream) -> None:
        await stream.welcome(1, head=4)
        switched.set()
        await delivered.wait()
        await stream.deliver([1, 2])
        await stream.read_acks_to(2)
        assert max(stream.acks) == 2
        await stream.deliver([3, 4, 5])
        await stream.read_acks_to(4)
        await stream.read_to_the_end()

    async with ScriptedAccess(new) as new_pod, ScriptedAccess(old) as pod, alice(pod) as im:
        assert [event.seq for event in await take(im, 5)] == [1, 2, 3, 4, 5]


async def test_what_the_old_pod_did_not_accept_is_sent_again_on_the_new_stream() -> None:
    sent = asyncio.Event()

    async def old(stream: ScriptedStream) -> None:
        await stream.welcome()
        (first, second) = await stream.read_sends(2)
        await migrate(stream, new_pod.endpoint)
        await sent.wait()
        await stream.accept(first, 1)  # its answer comes after the switch
        await stream.reject(second, ErrorCode.STALE_EPOCH)
        await fin(stream)
        await stream.read_to_the_end()

    async def new(stream: ScriptedStream) -> None:
        await stream.welcome()
        (first, second) = await stream.read_sends(2)
        assert (first.resend, second.resend) == (True, True)
        sent.set()
        await stream.accept(first, 1)
        await stream.accept(second, 2)
        await stream.read_to_the_end()

    async with ScriptedAccess(new) as new_pod, ScriptedAccess(old) as pod, alice(pod) as im:
        receipts = await asyncio.gather(im.send("bob", "one"), im.send("bob", "two"))
        assert [receipt.seq for receipt in receipts] == [1, 2]


async def test_a_redirect_names_where_to_go_on() -> None:
    async def old(stream: ScriptedStream) -> None:
        await stream.welcome()
        target = access_pb2.Target(endpoint=new_pod.endpoint, ticket="there")
        frame = access_pb2.Redirect(targets=[target], jitter_ms=10)
        await stream.write(access_pb2.ConnectResponse(redirect=frame))

    async def new(stream: ScriptedStream) -> None:
        assert stream.hello.ticket == "there"
        await stream.welcome()
        await stream.deliver([1])
        await stream.read_to_the_end()

    async with ScriptedAccess(new) as new_pod, ScriptedAccess(old) as pod, alice(pod) as im:
        assert [event.seq for event in await take(im, 1)] == [1]


async def test_an_application_may_ask_to_be_moved_later() -> None:
    async def old(stream: ScriptedStream) -> None:
        await stream.welcome()
        (message,) = await stream.read_sends(1)
        await migrate(stream, DEAD_END)
        answer = await verdict(stream)
        assert answer.verdict == access_pb2.MIGRATE_VERDICT_DEFER
        assert 55_000 < answer.defer_ms <= 60_000
        await stream.accept(message, 1)
        await stream.read_to_the_end()

    async with ScriptedAccess(old) as pod, alice(pod) as im:
        im.defer_moves(60)
        await im.send("bob", "in a call")
