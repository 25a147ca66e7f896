"""A client that is asked to move: the new stream first, nothing lost, nothing twice, and the old
stream stays the session whatever goes wrong before the new one is there."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import Client, ClientSettings, MessageEvent, ReconnectPolicy, connect
from whimbrel.core.errors import CloseCode, ErrorCode
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

QUICK = ClientSettings(
    reconnect=ReconnectPolicy(cap_seconds=0.01), welcome_timeout_seconds=1, fin_timeout_seconds=1
)
DEAD_END = "127.0.0.1:1"

pytestmark = pytest.mark.timeout(60)


class Losses:
    """An Observer that counts the moments without a stream."""

    def __init__(self) -> None:
        self.count = 0

    def greeted(self) -> None: ...

    def welcomed(self, first_seq: int, head: int, epoch: int) -> None: ...

    def confirmed(self, cursor: int) -> None: ...

    def lost(self) -> None:
        self.count += 1


def alice(access: ScriptedAccess, losses: Losses | None = None) -> Client:
    settings = replace(QUICK, observer=losses)
    return connect(access.endpoint, "token-alice", device="phone", settings=settings)


async def take(client: Client, count: int) -> list[MessageEvent]:
    events = client.events()
    return [await anext(events) for _ in range(count)]


async def migrate(stream: ScriptedStream, *endpoints: str) -> None:
    targets = [
        access_pb2.Target(endpoint=endpoint, ticket=f"ticket-{number}")
        for number, endpoint in enumerate(endpoints)
    ]
    frame = access_pb2.Migrate(plan_id="plan", targets=targets)
    await stream.write(access_pb2.ConnectResponse(migrate=frame))


async def fin(stream: ScriptedStream) -> None:
    await stream.write(access_pb2.ConnectResponse(fin=access_pb2.Fin()))


async def busy(stream: ScriptedStream, *endpoints: str) -> None:
    targets = [access_pb2.Target(endpoint=endpoint, ticket="more") for endpoint in endpoints]
    frame = access_pb2.Busy(retry_after_ms=50, targets=targets)
    await stream.write(access_pb2.ConnectResponse(busy=frame))


async def verdict(stream: ScriptedStream) -> access_pb2.MigrateAck:
    return (await stream.read_until("migrate_ack")).migrate_ack


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
