"""Before the commit: every other check, and then the say of the host product.

It must not stand inside the group commit, of which one is in flight per process: a slow backend
would hold up everybody. So sends wait here: for the checks of their batch, and then each for its
own verdict (`ask_host`), with which it enters the commit.

Every send is looked up as a resend first, flagged or not: what is stored is answered, and never
asked about again (rule 2). The commit looks once more, and asks nothing else of what passed here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from services.logic.domain.model import ClientKey, Draft, Outcome
from services.logic.domain.verdicts import Verdict
from services.logic.usecases.ask_host import AskHost
from services.logic.usecases.check_sends import CheckSends
from services.logic.usecases.commit_messages import Addressed
from services.logic.usecases.patience import Clock
from services.logic.usecases.pipeline import Pipeline, PipelineStatistics
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_CHECKED = 200
"""Sends that are checked together: as many as one commit takes."""


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
    """`offer` from the intake; `loops` have to run."""

    def __init__(
        self, host: AskHost, checks: CheckSends, *, max_waiting: int, clock: Clock
    ) -> None:
        self.host = host
        self._checks = checks
        self._clock = clock
        self._checking: Pipeline[_Waiting] = Pipeline(
            self._handle, max_items=MAX_CHECKED, max_waiting=max_waiting
        )

    def offer(
        self,
        send: Screened,
        pass_on: Callable[[Any], bool],
        settle: Callable[[ClientKey, Outcome], None],
    ) -> bool:
        """Let the send wait for its verdict; then either is called once with it. False, and
        nothing happens, when too many wait already."""
        return self._checking.offer(_Waiting(send, pass_on, settle))

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The loops that have to run, by name."""
        return {"before_send_checks": self._checking.run, **self.host.loops()}

    def statistics(self) -> PipelineStatistics:
        """Those of the checks; whoever waits for a verdict waits as well."""
        figures = self._checking.statistics()
        return replace(figures, waiting=figures.waiting + self.host.undecided)

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until everything taken has its verdict; False when that took too long."""
        are_checked = await self._checking.wait_idle(timeout_seconds)
        return await self.host.wait_idle(timeout_seconds) and are_checked

    async def _handle(self, batch: list[_Waiting]) -> None:
        now = self._clock()
        live = [one for one in batch if one.send.deadline > now]
        for one in batch:
            if one.send.deadline <= now:
                one.settle(one.send.draft.key, waited_too_long())
        if not live:
            return
        views = [_AsResend(one.send.draft, one.send.digest, one.send.epoch) for one in live]
        deadline = max(one.send.deadline for one in live)
        try:
            checked = await self._checks.check(views, deadline=deadline)
        except WhimbrelError as error:
            log.warning("screening_failed", code=error.code.name, detail=error.detail)
            for one in live:
                one.settle(one.send.draft.key, unavailable(error.detail, outcome_unknown=True))
            return
        fresh = {addressed.draft.key: addressed for addressed in checked.fresh}
        for one in live:
            key = one.send.draft.key
            if key in checked.answered:
                one.settle(key, checked.answered[key])
            elif key in fresh:
                self._ask(one, fresh[key])
            else:
                one.send.resend = True  # it is stored: the commit completes and answers it
                _pass_on(one)

    def _ask(self, one: _Waiting, addressed: Addressed) -> None:
        key = addressed.draft.key

        def decide(verdict: Verdict) -> None:
            if verdict.refused is not None:
                one.settle(key, verdict.refused)
                return
            one.send.screened = _said(addressed, verdict)
            _pass_on(one)

        if not self.host.offer(addressed, decide):
            one.settle(key, too_many_waiting())


def _pass_on(one: _Waiting) -> None:
    if not one.pass_on(one.send):
        one.settle(one.send.draft.key, too_many_waiting())


def _said(asked: Addressed, verdict: Verdict) -> Addressed:
    if verdict.changed is None:
        return asked
    kind, body = verdict.changed
    return asked._replace(body=body, body_kind=kind)


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
