"""APNs: a notification says who and how many and never what, each answer has its outcome, and
tokens and keys are used as Apple asks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.push.adapters.apns_token import REUSE_SECONDS, ApnsToken
from services.push.adapters.provider_apns import collapse_id
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from tests.component.push.apns_world import PHONE, World, world
from tests.component.push.notifications import notification
from whimbrel.testing.push_providers.apns_server import Reply

__all__ = ["world"]


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
