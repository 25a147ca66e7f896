"""APNs: against a server that speaks HTTP/2 over TLS and answers as Apple documents it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.push.adapters.apns_token import REUSE_SECONDS, ApnsToken
from services.push.adapters.provider_apns import ApnsProvider, collapse_id
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from tests.component.push.notifications import notification
from tests.waiting import until
from whimbrel.testing.push_providers.apns_server import OK, ApnsServer, Reply, running_apns
from whimbrel.testing.push_providers.certificates import make_certificate, make_key
from whimbrel.testing.push_providers.http_server import running_nonsense

TOPIC = "org.example.app"
PHONE = "a1" * 32


class World:
    """A server, a provider before it, and a clock for its tokens."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.certificate = make_certificate(folder)
        self.key_file = folder / "key.p8"
        self.server = ApnsServer(make_key(self.key_file), "ABCDEFGHIJ", "TEAM123456", TOPIC)
        self.now = time.time()

    async def serve(self) -> None:
        tls = self.certificate.server_context(["h2"])
        await self._stack.enter_async_context(running_apns(self.server, tls))

    def provider(
        self, *, port: int | None = None, topic: str = TOPIC, key_id: str = "ABCDEFGHIJ"
    ) -> ApnsProvider:
        tls = ssl.create_default_context(cafile=str(self.certificate.certificate))
        tls.set_alpn_protocols(["h2"])
        token = ApnsToken(
            self.key_file.read_text(), key_id, "TEAM123456", wall_clock=lambda: self.now
        )
        provider = ApnsProvider("127.0.0.1", port or self.server.port, topic, lambda: token, tls)
        self._stack.push_async_callback(provider.close)
        return provider


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = World(tmp_path, stack)
        await made.serve()
        yield made


async def test_a_notification_says_who_and_how_many_and_never_what(world: World) -> None:
    assert await world.provider().send(notification(PHONE)) == DELIVERED
    (push,) = world.server.pushes
    assert push.device_token == PHONE
    assert push.payload["aps"] == {
        "alert": {"title": "Alice Ä", "body": "New message (2)"},
        "thread-id": "d:alice:bob",
        "mutable-content": 1,
        "interruption-level": "active",
        "badge": 3,
        "sound": "default",
    }
    assert push.payload["whimbrel"]["message_id"] == str((1 << 60) + 7)
    assert push.headers["apns-collapse-id"] == "d:alice:bob"
    assert push.headers["apns-priority"] == "10"
    assert push.headers["apns-push-type"] == "alert"
    assert push.headers["apns-id"] == notification(PHONE).notification_id


async def test_quiet_hours_bring_no_sound_and_an_unknown_count_no_badge(world: World) -> None:
    await world.provider().send(notification(PHONE, badge=None, is_silent=True))
    (push,) = world.server.pushes
    assert push.badge is None
    assert "sound" not in push.payload["aps"]
    assert push.payload["aps"]["interruption-level"] == "passive"
    assert push.headers["apns-priority"] == "5"


async def test_a_conversation_with_a_long_name_collapses_by_its_hash(world: World) -> None:
    long = f"d:{'a' * 60}:{'b' * 60}"
    assert await world.provider().send(notification(PHONE, conversation=long)) == DELIVERED
    assert world.server.pushes[0].headers["apns-collapse-id"] == collapse_id(long)
    assert len(collapse_id(long)) == 64


async def test_many_notifications_share_one_connection_and_one_token(world: World) -> None:
    world.server.max_streams = 7
    provider = world.provider()
    sends = [provider.send(notification(f"{number:064x}")) for number in range(200)]
    assert set(await asyncio.gather(*sends)) == {DELIVERED}
    assert len({push.device_token for push in world.server.pushes}) == 200
    assert world.server.connections == 1
    assert len(world.server.tokens) == 1


@pytest.mark.parametrize(
    ("status", "reason", "result"),
    [
        (400, "BadDeviceToken", Result.DEAD_TOKEN),
        (410, "Unregistered", Result.DEAD_TOKEN),
        (410, "ExpiredToken", Result.DEAD_TOKEN),
        (400, "DeviceTokenNotForTopic", Result.REFUSED),
        (413, "PayloadTooLarge", Result.REFUSED),
        (400, "BadExpirationDate", Result.REFUSED),
        (429, "TooManyRequests", Result.RETRY),
        (500, "InternalServerError", Result.RETRY),
        (503, "ServiceUnavailable", Result.RETRY),
        (503, "Shutdown", Result.RETRY),
        (403, "InvalidProviderToken", Result.UNAVAILABLE),
        (400, "TopicDisallowed", Result.UNAVAILABLE),
        (429, "TooManyProviderTokenUpdates", Result.UNAVAILABLE),
    ],
)
async def test_each_answer_has_its_outcome(
    world: World, status: int, reason: str, result: Result
) -> None:
    world.server.answer = lambda _token, _count: Reply(status, reason)
    outcome = await world.provider().send(notification(PHONE))
    assert (outcome.result, outcome.reason) == (result, reason)


async def test_a_key_or_a_topic_that_is_wrong_stops_everything(world: World) -> None:
    wrong_key = await world.provider(key_id="OTHERKEYID").send(notification(PHONE))
    assert wrong_key == Outcome(Result.UNAVAILABLE, "InvalidProviderToken")
    wrong_topic = await world.provider(topic="org.example.other").send(notification(PHONE))
    assert wrong_topic == Outcome(Result.UNAVAILABLE, "BadTopic")


async def test_a_provider_token_is_reused_for_fifty_minutes(world: World) -> None:
    world.now -= REUSE_SECONDS + 1
    provider = world.provider()
    await provider.send(notification(PHONE))
    world.now += REUSE_SECONDS - 1
    await provider.send(notification(PHONE))
    assert len(world.server.tokens) == 1
    world.now += 2
    await provider.send(notification(PHONE))
    assert len(world.server.tokens) == 2


async def test_an_expired_provider_token_is_signed_anew(world: World) -> None:
    real, world.now = world.now, world.now - 7200  # our clock is wrong, and is set right
    provider = world.provider()
    outcome = await provider.send(notification(PHONE))
    assert outcome == Outcome(Result.RETRY, "ExpiredProviderToken")
    world.now = real
    assert await provider.send(notification(PHONE)) == DELIVERED


async def test_a_token_that_is_none_reaches_no_path(world: World) -> None:
    for token in ("../../x", "zz", "a" * 201, "\u0661"):
        outcome = await world.provider().send(notification(token))
        assert outcome == Outcome(Result.DEAD_TOKEN, "BadDeviceToken")
    assert world.server.asked == {}


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"reason": 7}', b"\xff\xfe", b"x" * 15_000])
async def test_nonsense_in_an_answer_is_judged_by_its_status(world: World, body: bytes) -> None:
    world.server.answer = lambda _token, _count: Reply(400, body=body)
    assert await world.provider().send(notification(PHONE)) == Outcome(Result.REFUSED, "status 400")
    world.server.answer = lambda _token, _count: Reply(500, body=body)
    outcome = await world.provider().send(notification(PHONE))
    assert outcome == Outcome(Result.RETRY, "status 500", suffers=True)


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


async def test_tokens_and_keys_are_never_logged(world: World) -> None:
    world.server.answer = lambda _token, _count: Reply(410, "Unregistered")
    with capture_logs() as logs:
        await world.provider().send(notification(PHONE))
    said = str(logs)
    assert PHONE not in said
    assert not any(token in said for token in world.server.tokens)


def test_a_key_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no EC key"):
        ApnsToken("nonsense", "ABCDEFGHIJ", "TEAM123456", wall_clock=time.time)
