"""Nobody waits for the host product longer than the deadline, whatever hangs and whoever is before
them, and what one says in one conversation stays in order. In simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from services.logic.domain.verdicts import Verdict
from services.logic.usecases.ask_host import MAX_ASKED, AskHost
from services.logic.usecases.commit_messages import Addressed
from tests.unit.logic.logic_world import draft
from whimbrel.core.breaker import Breaker
from whimbrel.testing.memory_cluster.virtual_time import let_pass, run_simulated
from whimbrel.testing.memory_stores.host_opinion import MemoryHostOpinion

TIMEOUT = 0.3
NEVER = 1_000_000


class Asking:
    """Sends texts, and knows when each was decided after how long, and as what."""

    def __init__(self, host: AskHost, opinion: MemoryHostOpinion) -> None:
        self.host = host
        self.opinion = opinion
        self.decided: list[tuple[str, str]] = []
        """(sender, text), in the order of the decisions."""
        self.waited: dict[str, float] = {}
        self.refused: set[str] = set()

    def send(self, text: str, sender: str = "alice") -> bool:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def decide(verdict: Verdict) -> None:
            self.decided.append((sender, text))
            self.waited[text] = loop.time() - began
            if verdict.refused is not None:
                self.refused.add(text)

        return self.host.offer(Addressed(draft(text, sender=sender), ("alice",)), decide)


@asynccontextmanager
async def asking(
    *,
    requests: int = 1,
    failures_to_open: int = NEVER,
    max_waiting: int = 1000,
    rejects: bool = False,
) -> AsyncIterator[Asking]:
    opinion = MemoryHostOpinion(timeout_seconds=TIMEOUT)
    host = AskHost(
        opinion,
        Breaker(failures_to_open, 5.0),
        requests=requests,
        timeout_seconds=TIMEOUT,
        max_waiting=max_waiting,
        rejects_on_failure=rejects,
        clock=asyncio.get_running_loop().time,
    )
    tasks = [asyncio.create_task(loop()) for loop in host.loops().values()]
    try:
        yield Asking(host, opinion)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


Main = Callable[[], Coroutine[Any, Any, None]]


def simulated(main: Main) -> Callable[[], None]:
    """The test as it is collected."""

    def test() -> None:
        run_simulated(main)

    test.__name__ = main.__name__
    return test


@simulated
async def test_nobody_waits_longer_than_the_deadline_behind_a_request_that_hangs() -> None:
    async with asking() as ask:
        ask.opinion.seconds = NEVER
        for number in range(100):
            ask.send(f"m{number}", sender=f"user{number % 3}")
            await let_pass(0.013)
        assert await ask.host.wait_idle(10)
        assert len(ask.waited) == 100
        assert max(ask.waited.values()) <= TIMEOUT + 1e-6


@simulated
async def test_a_backend_that_is_slow_and_well_is_asked_and_heard() -> None:
    async with asking(requests=16) as ask:
        ask.opinion.seconds = 0.2
        for number in range(200):
            ask.send(f"m{number}", sender=f"user{number % 3}")
            await let_pass(0.013)
        assert await ask.host.wait_idle(10)
        assert ask.host.outcomes == {"allowed": 200}


@simulated
async def test_the_policy_decides_at_the_deadline_and_the_answer_that_comes_later_does_not() -> (
    None
):
    async with asking(rejects=True) as ask:
        ask.opinion.seconds = 0.2
        ask.send("first")
        await let_pass(0.01)
        ask.send("waits")  # for 0.19 s, and could be answered after 0.39 s
        assert await ask.host.wait_idle(10)
        assert ask.refused == {"waits"}
        assert ask.host.outcomes == {"allowed": 1, "failed": 1}
        await let_pass(1)
        assert len(ask.decided) == 2


@simulated
async def test_one_verdict_that_cannot_be_used_leaves_the_others_as_they_are() -> None:
    async with asking(rejects=True) as ask:
        ask.opinion.verdicts[b"odd"] = None
        for text in ("one", "odd", "two"):
            ask.send(text)
        assert await ask.host.wait_idle(10)
        assert ask.refused == {"odd"}
        assert ask.host.outcomes == {"allowed": 2, "failed": 1}
        assert not ask.host.is_open


@simulated
async def test_while_the_breaker_is_open_nobody_waits_at_all() -> None:
    async with asking(failures_to_open=2) as ask:
        ask.opinion.faults.fail("ask", times=2)
        for text in ("one", "two"):
            ask.send(text)
            assert await ask.host.wait_idle(10)
        assert ask.host.is_open
        ask.send("skips")
        assert ask.waited["skips"] == 0
        await let_pass(5)
        ask.send("probe")
        assert await ask.host.wait_idle(10)
        assert not ask.host.is_open
        assert ask.host.outcomes == {"failed": 2, "skipped": 1, "allowed": 1}


@simulated
async def test_what_arrives_while_no_request_is_free_is_asked_together_and_bounded() -> None:
    async with asking(max_waiting=100) as ask:
        ask.opinion.seconds = 0.01
        taken = [ask.send(f"m{number}") for number in range(101)]
        assert taken == [True] * 100 + [False]
        assert await ask.host.wait_idle(10)
        assert [len(batch) for batch in ask.opinion.asked] == [MAX_ASKED] * 3 + [4]


@pytest.mark.parametrize("seed", range(20))
def test_what_one_says_in_one_conversation_stays_in_order(seed: int) -> None:
    async def main() -> None:
        dice = Random(seed)
        sent: dict[str, list[str]] = {"alice": [], "bob": [], "carol": []}
        async with asking(requests=4, failures_to_open=5) as ask:
            for number in range(300):
                ask.opinion.seconds = dice.choice([0.001, 0.05, 0.29, NEVER])
                sender = dice.choice(list(sent))
                sent[sender].append(f"m{number}")
                ask.send(f"m{number}", sender)
                await let_pass(dice.choice([0, 0.001, 0.1]))
            assert await ask.host.wait_idle(10)
            for sender, texts in sent.items():
                assert [text for who, text in ask.decided if who == sender] == texts
            assert max(ask.waited.values()) <= TIMEOUT + 1e-6

    run_simulated(main)
