"""Clients that do not, cannot or will not move, and too little time, cost no message, with real
processes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.component.access.access_world import ack
from tests.e2e.e2e_world import held, talk_during
from tests.e2e.move_world import device, read_to, replaced, tell_bob, world
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.local.stack import Stack

pytestmark = pytest.mark.timeout(180)

GRACE_SECONDS = 8.0
"""Of an Access pod; four fifths of it are its deadline."""


def log_of(stack: Stack, name: str) -> Path:
    """Where a pod writes its log, also when it is gone."""
    return Path(stack.record.parts[name].log)


def lines_of(log: Path) -> list[dict[str, Any]]:
    """What it has written so far, in all its lives."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def ends(log: Path) -> list[str]:
    """How the streams on the pod ended."""
    return [line["reason"] for line in lines_of(log) if line["event"] == "stream_closed"]


async def test_an_old_client_that_does_not_know_migrate_is_let_go_and_loses_nothing() -> None:
    async with world() as (stack, crowd):
        seen: list[int] = []

        async def live_on() -> None:
            async with device(stack.endpoints[1], stack, 0) as (old, _):
                await tell_bob(stack, 20)
                await read_to(old, 20, seen)
                ending = asyncio.create_task(replaced(stack, "access-1"))
                telling = asyncio.create_task(tell_bob(stack, 20))
                while (frame := await old.read()).WhichOneof("frame") != "close":
                    assert frame.WhichOneof("frame") not in ("migrate", "redirect"), frame
                    seen.extend(entry.seq for entry in frame.deliver.entries)
                assert frame.close.code == access_pb2.CLOSE_CODE_SHUTDOWN
                assert frame.close.retry_after_ms <= 2_000, "it may come back soon"
                await old.ended()
            async with device(stack.endpoints[0], stack, seen[-1], attempt=2) as (back, welcome):
                assert welcome.first_seq == seen[-1] + 1
                await read_to(back, 40, seen)
            await asyncio.gather(ending, telling)

        await talk_during(crowd, live_on())
        assert seen == list(range(1, 41))
        await held(stack, crowd)
        assert crowd.losses == 0, "those who can move do"


@pytest.mark.slow
async def test_a_client_that_never_answers_is_sent_elsewhere_at_the_deadline() -> None:
    async with world(access_grace_seconds=GRACE_SECONDS) as (stack, crowd):
        seen: list[int] = []

        async def live_on() -> None:
            async with device(stack.endpoints[1], stack, 0, migrates=True) as (mute, _):
                ending = asyncio.create_task(replaced(stack, "access-1"))
                telling = asyncio.create_task(tell_bob(stack, 30))
                asked = 0
                while (frame := await mute.read()).WhichOneof("frame") != "redirect":
                    assert frame.WhichOneof("frame") != "close", frame
                    asked += frame.HasField("migrate")
                    if frame.deliver.entries:
                        seen.extend(entry.seq for entry in frame.deliver.entries)
                        await mute.say(ack(seen[-1]))
                assert asked == 3, "once, and again at half and at four fifths of the deadline"
                await mute.ended()
            target = frame.redirect.targets[0]
            cursor = seen[-1] if seen else 0
            ticket = {"ticket": target.ticket, "attempt": 2, "migrates": True}
            async with device(target.endpoint, stack, cursor, **ticket) as (back, welcome):
                assert welcome.first_seq == cursor + 1
                await read_to(back, 30, seen)
            await asyncio.gather(ending, telling)

        await talk_during(crowd, live_on())
        assert seen == list(range(1, 31))
        await held(stack, crowd)


@pytest.mark.slow
async def test_clients_that_defer_for_ever_are_sent_elsewhere_at_the_deadline() -> None:
    async with world(access_grace_seconds=GRACE_SECONDS) as (stack, crowd):
        busy = [c for c in crowd.clients.values() if c.statistics().endpoint == stack.endpoints[1]]
        for client in busy:
            client.defer_moves(3_600.0)
        await talk_during(crowd, replaced(stack, "access-1"))
        await held(stack, crowd)
        assert len(busy) == 6
        assert {client.statistics().endpoint for client in busy} == {stack.endpoints[0]}
        assert all(client.statistics().moves.asked >= 2 for client in busy)
        assert ends(log_of(stack, "access-1")) == ["redirect"] * len(busy)
        assert crowd.losses == len(busy), "each was without a stream once, for a moment"


async def test_a_grace_period_that_is_too_short_is_said_in_time_and_costs_no_message() -> None:
    async with world(users=80, access_grace_seconds=6.0) as (stack, crowd):

        async def delete() -> None:
            # Unlike a mere SIGTERM, with the SIGKILL at the end of the grace.
            stack.platform.delete("access-1")
            await until(lambda: "access-1" not in stack.pods)
            await stack.platform.wait_settled("access")

        log = log_of(stack, "access-1")
        await talk_during(crowd, delete())
        await held(stack, crowd)
        lines = lines_of(log)
        events = [line["event"] for line in lines]
        warning = lines[events.index("deadline_too_short")]
        assert warning["sessions"] == 40
        assert warning["needed_seconds"] > warning["deadline_seconds"] == 4.8
        assert events.index("deadline_too_short") < events.index("stream_closed"), "in time"
        assert set(ends(log)) <= {"fin", "bye", "redirect"}
        assert "redirect" in ends(log), "some could not be asked"
