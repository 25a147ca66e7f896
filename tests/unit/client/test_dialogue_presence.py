"""What the dialogue says about being there, with explicit time."""

from __future__ import annotations

import pytest

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.presence import Surroundings
from whimbrel.client.settings import ClientSettings
from whimbrel.core.outgoing import BodyKind, Outgoing

WELCOME = access_pb2.Welcome(
    user_id="alice",
    epoch=1,
    first_seq=1,
    heartbeat_interval_ms=30_000,
    background_heartbeat_min_ms=60_000,
    background_heartbeat_max_ms=270_000,
    window_messages=256,
    window_bytes=2**18,
    max_unanswered_sends=8,
)
PONG = access_pb2.ConnectResponse(pong=access_pb2.Pong())


def attached(*, is_background: bool) -> Dialogue:
    dialogue = Dialogue(
        device_id="phone",
        instance_id="i",
        client="test",
        settings=ClientSettings(),
        surroundings=Surroundings(is_background=is_background),
    )
    dialogue.hello("token")
    dialogue.welcomed(WELCOME, 0.0)
    return dialogue


def kinds_until(dialogue: Dialogue, end: float, *, answers: bool = True) -> list[tuple[float, str]]:
    """What it writes by its own deadlines; pings are answered at once."""
    said: list[tuple[float, str]] = []
    now = 0.0
    while (deadline := dialogue.next_deadline()) is not None and deadline <= end:
        now = max(now, deadline)
        frame = dialogue.next_frame(now)
        if frame is None:
            break
        said.append((now, str(frame.WhichOneof("frame"))))
        if answers and frame.HasField("ping"):
            dialogue.received(PONG, now)
    return said


def test_a_quiet_stream_in_the_foreground_pings_every_interval() -> None:
    said = kinds_until(attached(is_background=False), 100.0)
    assert said == [(30.0, "ping"), (60.0, "ping"), (90.0, "ping")]


def test_in_the_background_each_longer_interval_is_told_before_it_is_used() -> None:
    dialogue = attached(is_background=True)
    said = kinds_until(dialogue, 500.0)
    assert [(at, kind) for at, kind in said if kind == "ping"] == [
        (at, "ping") for at in (60.0, 120.0, 180.0, 270.0, 390.0)
    ]
    told = [at for at, kind in said if kind == "app_state"]
    assert told == [0.0, 180.0, 270.0, 390.0], "with the pong that permitted it"


def test_an_answer_that_does_not_come_is_followed_by_a_ping_whatever_the_interval() -> None:
    dialogue = attached(is_background=True)
    assert kinds_until(dialogue, 1.0) in ([], [(0.0, "app_state")])
    dialogue.outbox.add(Outgoing("m", BodyKind.TEXT, b"hi", recipient_id="bob"))
    said = kinds_until(dialogue, 20.0, answers=False)
    assert [kind for _, kind in said] == ["send", "send", "ping"]
    assert said[-1][0] == pytest.approx(15.0)
    assert dialogue.is_dead(25.0)
