"""A store that is away costs time: nothing accepted is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.e2e.e2e_world import crowd_of, report_of
from tests.waiting import until
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd

pytestmark = pytest.mark.timeout(180)


def resends(crowd: Crowd) -> int:
    return sum(client.statistics().outbox.resends for client in crowd.clients.values())


async def test_sends_wait_for_a_mongod_that_is_killed_and_comes_back() -> None:
    """SIGKILL in mid-traffic, away for longer than the 10 s deadline of a send: the server says
    "outcome unknown", the SDK sends again with the same id, and each message exists once."""
    spec = StackSpec(access=1, logic=2, gateway=0, drain=0, restart=False)
    async with Stack.start(spec) as stack, crowd_of(stack, 20, seed=5) as crowd:
        talking = asyncio.create_task(crowd.talk(2_000, at_once=40, timeout_seconds=100))
        await until(lambda: len(crowd.history.sent) >= 500)
        await stack.kill("mongod", signal.SIGKILL)
        accepted = len(crowd.history.sent)
        before = resends(crowd)
        await until(lambda: resends(crowd) > before)  # 10 s later: the outcome is unknown
        assert len(crowd.history.sent) <= accepted + 40, "nothing is accepted without MongoDB"
        await stack.revive("mongod")
        await talking
        await crowd.wait_delivered(30)
        verdict = crowd.history.verdict()
        assert verdict.accepted == 2_000
        assert verdict.violations == 0, verdict
        report = await report_of(stack, crowd)
        assert report.problems == [], str(report)
        assert report.messages == 2_000, "a resend must not have stored a second message"


async def test_messages_are_accepted_while_redis_is_away_and_delivered_when_it_is_back() -> None:
    spec = StackSpec(access=2, logic=2, gateway=0, drain=0, restart=False)
    async with Stack.start(spec) as stack, crowd_of(stack, 20, seed=6) as crowd:
        await crowd.talk(200, at_once=20)
        await stack.kill("redis", signal.SIGKILL)
        await crowd.talk(200, at_once=20)
        assert len(crowd.history.sent) == 400, "slower, still correct"
        await stack.revive("redis")
        await crowd.talk(200, at_once=20)
        await crowd.wait_delivered(30)
        verdict = crowd.history.verdict()
        assert verdict.accepted == 600
        assert verdict.violations == 0, verdict
        report = await report_of(stack, crowd)
        assert report.problems == [], str(report)
