"""Asks the host product about messages, several requests at a time, and keeps the order of each
sender in each conversation.

Every message has its own deadline, from the moment at which it could be asked about: if there is no
verdict by then, because requests hang or because all of them are taken, the policy decides. A
request goes on to the end of its own time, so that a backend that is slow and well is not cut short
by a message that had waited. Whatever arrives while no request is free is asked together.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from services.logic.domain.verdicts import ALLOWED, Question, Verdict, unchanged
from services.logic.usecases.commit_messages import Addressed
from services.logic.usecases.patience import Clock
from services.logic.webhook_ports import HostOpinion
from whimbrel.core.breaker import Breaker
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_ASKED = 32
"""Messages in one request. All of them may be changed to the longest body there is, so what an
answer may hold, and a pod must have room for, is 12 MiB a request."""
RETRY_AFTER_SECONDS = 2.0
"""What a sender is told to wait when the policy is to reject: a breaker looks again by then."""


@dataclass(slots=True, eq=False)
class _Asked:
    """One message that waits for its verdict, and then for those before it."""

    addressed: Addressed
    decide: Callable[[Verdict], None]
    due: float
    """On the clock of the event loop."""
    verdict: Verdict | None = None


class AskHost:
    """`offer`, with the `loops` running."""

    def __init__(
        self,
        opinion: HostOpinion,
        breaker: Breaker,
        *,
        requests: int,
        timeout_seconds: float,
        max_waiting: int,
        rejects_on_failure: bool,
        clock: Clock,
    ) -> None:
        self._opinion = opinion
        self._breaker = breaker
        self._timeout_seconds = timeout_seconds
        self._max_waiting = max_waiting
        self._rejects_on_failure = rejects_on_failure
        self._clock = clock
        self.outcomes: Counter[str] = Counter()
        """Messages by what became of them: allowed, rejected, changed, failed (no answer in time,
        or none that can be used), skipped (the breaker was open)."""
        self._free = asyncio.Semaphore(requests)
        self._waiting: deque[_Asked] = deque()
        self._by_arrival: deque[_Asked] = deque()
        self._lines: dict[tuple[str, str], deque[_Asked]] = defaultdict(deque)
        self._arrived = asyncio.Event()
        self._has_deadlines = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.undecided = 0
        """Messages that have no verdict yet."""

    @property
    def is_open(self) -> bool:
        """True while the host product is not asked, but for a probe."""
        return self._breaker.is_open

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The loops that have to run, by name."""
        return {"before_send_requests": self._run, "before_send_deadlines": self._run_deadlines}

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until every message has its verdict; False when that took too long."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def offer(self, addressed: Addressed, decide: Callable[[Verdict], None]) -> bool:
        """`decide` is called once, in order, at the deadline at the latest. False, and nothing
        happens, when too many wait already."""
        if self.undecided >= self._max_waiting:
            return False
        due = asyncio.get_running_loop().time() + self._timeout_seconds
        asked = _Asked(addressed, decide, due)
        self._lines[_line_of(asked)].append(asked)
        self.undecided += 1
        self._idle.clear()
        if self._breaker.room(self._clock()) == 0:
            self._decide(asked, self._without_answer(), "skipped")
            return True
        self._waiting.append(asked)
        self._by_arrival.append(asked)
        self._arrived.set()
        self._has_deadlines.set()
        return True

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                await self._arrived.wait()
                await self._free.acquire()
                batch = self._next_batch()
                if batch and self._breaker.may_ask(self._clock()):
                    group.create_task(self._ask(batch))
                    continue
                self._free.release()
                for one in batch:
                    self._decide(one, self._without_answer(), "skipped")

    def _next_batch(self) -> list[_Asked]:
        batch: list[_Asked] = []
        while self._waiting and len(batch) < MAX_ASKED:
            asked = self._waiting.popleft()
            if asked.verdict is None:
                batch.append(asked)
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _ask(self, batch: Sequence[_Asked]) -> None:
        verdicts: Sequence[Verdict | None] = [None] * len(batch)
        try:
            verdicts = await self._opinion.ask([_question(one.addressed) for one in batch])
            self._breaker.succeeded()
        except WhimbrelError as error:
            self._breaker.failed(self._clock())
            log.warning("host_not_asked", detail=error.detail, messages=len(batch))
        finally:
            self._free.release()
        for one, verdict in zip(batch, verdicts, strict=True):
            if verdict is None:
                self._decide(one, self._without_answer(), "failed")
                continue
            said = unchanged(one.addressed.draft.body_kind, verdict)
            self._decide(one, said, _name(said))

    async def _run_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._has_deadlines.wait()
            # All have the same time, so the first to come is the first to be due.
            while self._by_arrival:
                first = self._by_arrival[0]
                if first.verdict is None and (wait := first.due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                    continue
                self._by_arrival.popleft()
                self._decide(first, self._without_answer(), "failed")
            self._has_deadlines.clear()

    def _decide(self, asked: _Asked, verdict: Verdict, outcome: str) -> None:
        """The first verdict counts. It is said when those before it in its line are."""
        if asked.verdict is not None:
            return
        asked.verdict = verdict
        self.outcomes[outcome] += 1
        self.undecided -= 1
        if not self.undecided:
            self._idle.set()
        name = _line_of(asked)
        line = self._lines[name]
        while line and (said := line[0].verdict) is not None:
            line.popleft().decide(said)
        if not line:
            self._lines.pop(name, None)

    def _without_answer(self) -> Verdict:
        if not self._rejects_on_failure:
            return ALLOWED
        return Verdict(
            refused=unavailable(
                "the host product's backend did not say whether this may be sent",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        )


def _line_of(asked: _Asked) -> tuple[str, str]:
    draft = asked.addressed.draft
    return draft.key.sender, draft.conversation


def _question(asked: Addressed) -> Question:
    draft = asked.draft
    body = draft.body if asked.body is None else asked.body
    return Question(draft.key, draft.conversation, draft.body_kind, body)


def _name(verdict: Verdict) -> str:
    if verdict.refused is not None:
        return "rejected"
    return "allowed" if verdict.changed is None else "changed"
