"""A move that fails: the old stream stays the session whatever goes wrong before the new one is
there."""

from __future__ import annotations

import asyncio

import pytest

from tests.component.client.moving_client import (
    DEAD_END,
    Losses,
    alice,
    busy,
    fin,
    migrate,
    take,
    verdict,
)
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.errors import CloseCode, ErrorCode
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

pytestmark = pytest.mark.timeout(60)


async def test_a_target_that_is_dead_or_busy_gives_way_to_the_next() -> None:
    async def old(stream: ScriptedStream) -> None:
        await stream.welcome()
        await migrate(stream, DEAD_END, full.endpoint)
        await verdict(stream)
        await stream.read_until("bye")

    async def no_room(stream: ScriptedStream) -> None:
        assert stream.hello.ticket == "ticket-1"
        await busy(stream, new_pod.endpoint)

    async def new(stream: ScriptedStream) -> None:
        assert stream.hello.ticket == "more"
        await stream.welcome()
        await stream.read_to_the_end()

    async with (
        ScriptedAccess(new) as new_pod,
        ScriptedAccess(no_room) as full,
        ScriptedAccess(old) as pod,
        alice(pod) as im,
    ):
        # No Fin comes: the old stream is left by Bye.
        await until(lambda: im.statistics().endpoint == new_pod.endpoint)
        await until(lambda: pod.open_streams == 0)


async def test_without_a_target_that_works_the_client_stays_and_says_so() -> None:
    async def old(stream: ScriptedStream) -> None:
        await stream.welcome()
        await migrate(stream, DEAD_END)
        assert (await verdict(stream)).verdict == access_pb2.MIGRATE_VERDICT_GO
        assert (await verdict(stream)).verdict == access_pb2.MIGRATE_VERDICT_CANNOT
        (message,) = await stream.read_sends(1)
        await stream.accept(message, 1)
        await stream.read_to_the_end()

    async with ScriptedAccess(old) as pod, alice(pod) as im:
        await until(lambda: im.statistics().moves.refused == 1)
        assert (await im.send("bob", "still here")).seq == 1
        assert len(pod.hellos) == 1


async def test_a_move_that_fails_after_its_hello_takes_the_session_back() -> None:
    async def old(stream: ScriptedStream) -> None:
        await stream.welcome(epoch=7)
        await migrate(stream, new_pod.endpoint)
        (message,) = await stream.read_sends(1)
        await stream.reject(message, ErrorCode.STALE_EPOCH)
        resume = (await stream.read_until("resume")).resume
        assert (resume.plan_id, resume.attempt) == ("plan", 3)
        resumed = access_pb2.Resumed(epoch=9)
        await stream.write(access_pb2.ConnectResponse(resumed=resumed))
        (message,) = await stream.read_sends(1)
        assert message.resend
        await stream.accept(message, 1)
        await stream.read_to_the_end()

    async def breaks(stream: ScriptedStream) -> None:
        await asyncio.sleep(0)  # the route is taken, the backlog is not read

    async with ScriptedAccess(breaks) as new_pod, ScriptedAccess(old) as pod, alice(pod) as im:
        assert (await im.send("bob", "hello")).seq == 1
        assert im.statistics().epoch == 9
        assert (len(pod.hellos), len(new_pod.hellos)) == (1, 1)


@pytest.mark.parametrize("code", [CloseCode.BAD_TOKEN, CloseCode.SEQ_AHEAD])
async def test_no_code_of_a_target_ends_the_client(code: CloseCode) -> None:
    async def old(stream: ScriptedStream) -> None:
        await stream.welcome(1, head=2)
        await stream.deliver([1, 2])
        await migrate(stream, new_pod.endpoint)
        await stream.read_until("resume")
        resumed = access_pb2.Resumed(epoch=9)
        await stream.write(access_pb2.ConnectResponse(resumed=resumed))
        await stream.deliver([3])
        await stream.read_to_the_end()

    async def refuses(stream: ScriptedStream) -> None:
        await stream.close(code)

    async with ScriptedAccess(refuses) as new_pod, ScriptedAccess(old) as pod, alice(pod) as im:
        assert [event.seq for event in await take(im, 3)] == [1, 2, 3]


async def test_a_resume_without_an_answer_ends_in_a_reconnect() -> None:
    async def old(stream: ScriptedStream) -> None:
        await stream.welcome()
        await migrate(stream, new_pod.endpoint)
        await stream.read_until("resume")
        await stream.read_to_the_end()

    async def again(stream: ScriptedStream) -> None:
        await stream.welcome()
        await stream.deliver([1])
        await stream.read_to_the_end()

    async def breaks(_: ScriptedStream) -> None:
        return

    async with (
        ScriptedAccess(breaks) as new_pod,
        ScriptedAccess(old, again) as pod,
        alice(pod) as im,
    ):
        assert [event.seq for event in await take(im, 1)] == [1]


@pytest.mark.parametrize("ending", ["fin", "close", "break"])
async def test_an_attempt_becomes_the_reconnect_when_the_old_stream_ends(ending: str) -> None:
    old_is_gone = asyncio.Event()

    async def old(stream: ScriptedStream) -> None:
        await stream.welcome(1, head=1)
        await stream.deliver([1])
        await migrate(stream, new_pod.endpoint)
        await verdict(stream)
        await began.wait()
        if ending == "fin":
            await fin(stream)
        elif ending == "close":
            await stream.close(CloseCode.SHUTDOWN)

    async def new(stream: ScriptedStream) -> None:
        began.set()
        await old_is_gone.wait()
        await stream.welcome((stream.hello.cursor or 0) + 1, head=2)
        await stream.deliver([(stream.hello.cursor or 0) + 1, 2])
        await stream.read_to_the_end()

    began = asyncio.Event()
    losses = Losses()
    async with ScriptedAccess(new) as new_pod, ScriptedAccess(old) as pod, alice(pod, losses) as im:
        taking = asyncio.ensure_future(take(im, 2))
        await until(lambda: losses.count == 1)
        old_is_gone.set()
        assert [event.seq for event in await taking] == [1, 2]
        assert len(pod.hellos) == 1
