"""Before the commit: every other check, and then the say of the host product.

It must not stand inside the group commit, of which one is in flight per process: a slow backend
would hold up everybody. So sends wait here, in lanes by (sender, conversation), with one request
in flight in each: what one sender says in one conversation stays in order, and a lane that waits
holds up no other.

Every send is looked up as a resend first, flagged or not: what is stored is answered, and never
asked about again (rule 2). The commit looks once more, and asks nothing else of what passed here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import reduce
from typing import Any, NamedTuple, Protocol
from zlib import crc32

import structlog

from services.logic.domain.model import ClientKey, Draft, Outcome
from services.logic.domain.verdicts import ALLOWED, Question, Verdict
from services.logic.usecases.check_sends import CheckSends
from services.logic.usecases.commit_messages import Addressed
from services.logic.usecases.patience import Clock
from services.logic.usecases.pipeline import Pipeline, PipelineStatistics
from services.logic.webhook_ports import HostOpinion
from whimbrel.core.breaker import Breaker
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.runtime.histogram import Histogram

log = structlog.get_logger(__name__)

MAX_ASKED = 200
"""Messages in one request: as many as one commit takes."""
RETRY_AFTER_SECONDS = 2.0
"""What a sender is told to wait when the policy is to reject: a breaker looks again by then."""


class Screened(Protocol):
    """A send that waits here; `screened` and `resend` are set for the commit."""

    draft: Draft
    deadline: float
    resend: bool
    screened: Addressed | None

    @property
    def digest(self) -> bytes: ...
    @property
    def epoch(self) -> int: ...


class _Waiting(NamedTuple):
    send: Any
    pass_on: Callable[[Any], bool]
    settle: Callable[[ClientKey, Outcome], None]


class _AsResend(NamedTuple):
    """The view that the checks get: every send is looked up."""

    draft: Draft
    digest: bytes
    epoch: int
    resend: bool = True
    participants: tuple[str, ...] | None = None
    screened: Addressed | None = None


class ScreenSends:
    """`offer` from the intake; `loops` are the lanes."""

    def __init__(
        self,
        opinion: HostOpinion,
        checks: CheckSends,
        breaker: Breaker,
        *,
        lanes: int,
        max_waiting: int,
        rejects_on_failure: bool,
        clock: Clock,
    ) -> None:
        self._opinion = opinion
        self._checks = checks
        self._breaker = breaker
        self._rejects_on_failure = rejects_on_failure
        self._clock = clock
        self.outcomes: Counter[str] = Counter()
        """Messages by what became of them: allowed, rejected, changed, failed (no answer that
        can be used), skipped (the breaker was open)."""
        self._lanes: list[Pipeline[_Waiting]] = [
            Pipeline(self._handle, max_items=MAX_ASKED, max_waiting=max(1, max_waiting // lanes))
            for _ in range(lanes)
        ]

    @property
    def is_open(self) -> bool:
        """True while the host product is not asked, but for a probe."""
        return self._breaker.is_open

    def offer(
        self,
        send: Screened,
        pass_on: Callable[[Any], bool],
        settle: Callable[[ClientKey, Outcome], None],
    ) -> bool:
        """Let the send wait for its verdict; then either is called once with it. False, and
        nothing happens, when too many wait already."""
        key = f"{send.draft.key.sender}\x00{send.draft.conversation}".encode()
        return self._lanes[crc32(key) % len(self._lanes)].offer(_Waiting(send, pass_on, settle))

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The loops that have to run, by name."""
        return {f"before_send_{number}": lane.run for number, lane in enumerate(self._lanes)}

    def statistics(self) -> PipelineStatistics:
        """The figures of all lanes together."""
        each = [lane.statistics() for lane in self._lanes]
        return PipelineStatistics(
            waiting=sum(one.waiting for one in each),
            batches=sum(one.batches for one in each),
            items=sum(one.items for one in each),
            largest_batch=max(one.largest_batch for one in each),
            batch_seconds=reduce(Histogram.add, (one.batch_seconds for one in each), Histogram()),
        )

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until every lane is empty; False when that took too long."""
        idle = await asyncio.gather(*(lane.wait_idle(timeout_seconds) for lane in self._lanes))
        return all(idle)

    async def _handle(self, batch: list[_Waiting]) -> None:
        now = self._clock()
        live = [one for one in batch if one.send.deadline > now]
        for one in batch:
            if one.send.deadline <= now:
                one.settle(one.send.draft.key, waited_too_long())
        if not live:
            return
        try:
            await self._screen(live)
        except WhimbrelError as error:
            log.warning("screening_failed", code=error.code.name, detail=error.detail)
            for one in live:
                # Settling again what was settled or passed on does nothing.
                if one.send.screened is None:
                    one.settle(one.send.draft.key, unavailable(error.detail, outcome_unknown=True))

    async def _screen(self, live: Sequence[_Waiting]) -> None:
        views = [_AsResend(one.send.draft, one.send.digest, one.send.epoch) for one in live]
        deadline = max(one.send.deadline for one in live)
        checked = await self._checks.check(views, deadline=deadline)
        fresh = {addressed.draft.key: addressed for addressed in checked.fresh}
        asked = [fresh[one.send.draft.key] for one in live if one.send.draft.key in fresh]
        verdicts = dict(
            zip((one.draft.key for one in asked), await self._verdicts(asked), strict=True)
        )
        for one in live:
            key = one.send.draft.key
            if key in checked.answered:
                one.settle(key, checked.answered[key])
            elif key not in verdicts:
                one.send.resend = True  # it is stored: the commit completes and answers it
                self._pass_on(one)
            elif (refused := verdicts[key].refused) is not None:
                one.settle(key, refused)
            else:
                one.send.screened = _said(fresh[key], verdicts[key])
                self._pass_on(one)

    def _pass_on(self, one: _Waiting) -> None:
        if not one.pass_on(one.send):
            one.settle(one.send.draft.key, too_many_waiting())

    async def _verdicts(self, asked: Sequence[Addressed]) -> list[Verdict]:
        """One for each; by the policy where the host product does not say."""
        if not asked:
            return []
        if not self._breaker.may_ask(self._clock()):
            self.outcomes["skipped"] += len(asked)
            return [self._without_answer()] * len(asked)
        try:
            verdicts = await self._opinion.ask([_question(one) for one in asked])
        except WhimbrelError as error:
            self._breaker.failed(self._clock())
            self.outcomes["failed"] += len(asked)
            log.warning("host_not_asked", detail=error.detail, messages=len(asked))
            return [self._without_answer()] * len(asked)
        self._breaker.succeeded()
        for one in verdicts:
            self.outcomes[_name(one)] += 1
        return verdicts

    def _without_answer(self) -> Verdict:
        if not self._rejects_on_failure:
            return ALLOWED
        return Verdict(
            refused=unavailable(
                "the host product's backend did not say whether this may be sent",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        )


def _question(asked: Addressed) -> Question:
    draft = asked.draft
    body = draft.body if asked.body is None else asked.body
    return Question(draft.key, draft.conversation, draft.body_kind, body)


def _said(asked: Addressed, verdict: Verdict) -> Addressed:
    if verdict.changed is None:
        return asked
    kind, body = verdict.changed
    return asked._replace(body=body, body_kind=kind)


def _name(verdict: Verdict) -> str:
    if verdict.refused is not None:
        return "rejected"
    return "allowed" if verdict.changed is None else "changed"


def too_many_waiting() -> WhimbrelError:
    """OVERLOADED: the bound of those who wait is reached."""
    return WhimbrelError(
        ErrorCode.OVERLOADED,
        "too many messages are waiting to be stored",
        retry_after_seconds=1.0,
    )


def waited_too_long() -> WhimbrelError:
    """UNAVAILABLE: its deadline passed before it was begun."""
    # It was never begun here, but an earlier attempt of the same send may have been.
    return unavailable("the message waited too long to be stored", outcome_unknown=True)
