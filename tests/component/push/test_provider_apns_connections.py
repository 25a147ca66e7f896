"""APNs: many notifications share a connection, another one follows where it ends or hangs, and
where no APNs answers it is unavailable."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.push.domain.outcomes import DELIVERED, Result
from tests.component.push.apns_world import PHONE, World, world
from tests.component.push.notifications import notification
from tests.waiting import until
from whimbrel.testing.push_providers.apns_server import OK, Reply, running_apns
from whimbrel.testing.push_providers.certificates import make_certificate
from whimbrel.testing.push_providers.http_server import running_nonsense

__all__ = ["world"]


async def test_many_notifications_share_one_connection_and_one_token(world: World) -> None:
    world.server.max_streams = 7
    provider = world.provider()
    sends = [provider.send(notification(f"{number:064x}")) for number in range(200)]
    assert set(await asyncio.gather(*sends)) == {DELIVERED}
    assert len({push.device_token for push in world.server.pushes}) == 200
    assert world.server.connections == 1
    assert len(world.server.tokens) == 1


@pytest.mark.parametrize(
    "reply",
    [Reply(resets=True), Reply(says_goodbye=True), Reply(ends_connection=True)],
    ids=["reset", "goaway", "closed"],
)
async def test_a_stream_or_connection_that_ends_is_tried_again_on_another(
    world: World, reply: Reply
) -> None:
    world.server.answer = lambda _token, count: OK if count else reply
    provider = world.provider()
    outcome = await provider.send(notification(PHONE))
    assert outcome.result is Result.RETRY
    assert outcome.suffers
    assert await provider.send(notification(PHONE)) == DELIVERED


async def test_a_goodbye_leaves_those_that_were_heard_their_answers(world: World) -> None:
    provider = world.provider()
    assert await provider.send(notification(PHONE)) == DELIVERED
    world.server.answer = lambda token, _count: Reply(says_goodbye=True) if token == PHONE else OK
    first = asyncio.create_task(provider.send(notification(PHONE)))
    assert (await first).result is Result.RETRY
    assert await provider.send(notification("b2" * 32)) == DELIVERED
    assert world.server.connections == 2


async def test_a_server_that_hangs_is_left_and_another_connection_opened(world: World) -> None:
    world.server.answer = lambda _token, count: OK if count else Reply(hangs=True)
    provider = world.provider()
    hanging = asyncio.create_task(provider.send(notification(PHONE)))
    await until(lambda: world.server.asked.get(PHONE))
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert await provider.send(notification(PHONE)) == DELIVERED


async def test_a_server_that_is_not_there_is_unavailable(world: World) -> None:
    outcome = await world.provider(port=1).send(notification(PHONE))
    assert outcome.result is Result.UNAVAILABLE


async def test_a_server_that_speaks_something_else_is_unavailable(world: World) -> None:
    async with running_nonsense(b"220 mail.example.org ESMTP\r\n") as url:
        port = int(url.rpartition(":")[2])
        outcome = await world.provider(port=port).send(notification(PHONE))
    assert outcome.result is Result.UNAVAILABLE


async def test_a_server_without_http2_is_unavailable(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = World(tmp_path, stack)
        tls = world.certificate.server_context(["http/1.1"])
        await stack.enter_async_context(running_apns(world.server, tls))
        outcome = await world.provider().send(notification(PHONE))
    assert outcome.result is Result.UNAVAILABLE


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(
    world: World, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    world.certificate = make_certificate(other)
    outcome = await world.provider().send(notification(PHONE))
    assert outcome.result is Result.UNAVAILABLE
    assert world.server.asked == {}
