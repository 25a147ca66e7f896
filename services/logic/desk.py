"""Sorts what comes in on a link to the use cases, and puts their answers back on it.

Everything that needs a store goes through a pipeline: the reader of a link never waits, and all
links share the batches. Beyond a pipeline's bound the answer is OVERLOADED at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.logic.domain.model import Answer, DeviceCursor, Outcome
from services.logic.link import AccessLink, LinkTable
from services.logic.ports import TimelineStore
from services.logic.signal_desk import SignalDesk
from services.logic.trace_ports import MessageTraces
from services.logic.translate import draft_of, refused_to_wire
from services.logic.usecases.attach_session import Attach, AttachSession
from services.logic.usecases.give_up_online import GiveUpOnline, UnacknowledgedRange
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.pass_signals import PassSignals
from services.logic.usecases.patience import Clock
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.read_timeline import ReadTimeline
from services.logic.usecases.show_presence import ShowPresence
from services.logic.usecases.store_cursors import CursorUpdate, StoreCursors
from services.logic.usecases.submit_messages import SubmitMessages
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.errors import ErrorCode, WhimbrelError

_SMALL = 96
MAX_READS_AT_ONCE = 32
OVERLOADED = WhimbrelError(
    ErrorCode.OVERLOADED, "too many requests are waiting here", retry_after_seconds=1.0
)


class _Attach(NamedTuple):
    link: AccessLink
    request: logic_pb2.AttachRequest


class _Fetch(NamedTuple):
    link: AccessLink
    request: logic_pb2.FetchRequest


class _HeadCheck(NamedTuple):
    link: AccessLink
    user: str
    next_seq: int


@dataclass(frozen=True)
class UseCases:
    """What the desk hands work to."""

    submit: SubmitMessages
    attach: AttachSession
    read: ReadTimeline
    cursors: StoreCursors
    give_up: GiveUpOnline
    timelines: TimelineStore
    signals: PassSignals
    presence: ShowPresence
    ids: MintIds
    clock: Clock


class Desk:
    """One per process; `pipelines` lists the loops that somebody has to run."""

    def __init__(
        self, use_cases: UseCases, links: LinkTable, traces: MessageTraces | None = None
    ) -> None:
        self._use = use_cases
        self._links = links
        self._traces = traces
        self._signals = SignalDesk(use_cases.signals, use_cases.presence)
        self._attaches: Pipeline[_Attach] = Pipeline(
            self._handle_attaches, max_items=64, max_waiting=20_000
        )
        self._fetches: Pipeline[_Fetch] = Pipeline(
            self._handle_fetches, max_items=MAX_READS_AT_ONCE, max_waiting=20_000
        )
        self._heads: Pipeline[_HeadCheck] = Pipeline(
            self._handle_heads, max_items=1000, max_waiting=200_000
        )
        self._given_up: Pipeline[UnacknowledgedRange] = Pipeline(
            self._use.give_up.give_up, max_items=100, max_waiting=20_000
        )

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The loops to run, by name."""
        return {
            "attaches": self._attaches.run,
            "fetches": self._fetches.run,
            "heads": self._heads.run,
            "unacknowledged": self._given_up.run,
            **self._signals.loops(),
        }

    def take(self, request: logic_pb2.LinkRequest, link: AccessLink) -> None:
        """Handle one frame of a link; never waits."""
        if request.highest_message_id:
            self._use.ids.observe(request.highest_message_id)
        self._forward(request)
        for send in request.sends:
            self._take_send(send, link)
        for attach in request.attaches:
            if not self._attaches.offer(_Attach(link, attach)):
                link.frame(_SMALL).attach_results.add(
                    ref=attach.ref, refused=refused_to_wire(OVERLOADED)
                )
        for fetch in request.fetches:
            if not self._fetches.offer(_Fetch(link, fetch)):
                link.frame(_SMALL).fetch_results.add(
                    ref=fetch.ref, refused=refused_to_wire(OVERLOADED)
                )
        for check in request.head_checks:
            # A check that is refused is asked again by the next re-assert of the pod.
            self._heads.offer(_HeadCheck(link, check.user_id, check.next_seq))
        for cursor in request.cursors:
            # An update that is refused is not confirmed, so Access sends it again.
            self._use.cursors.pipeline.offer(
                CursorUpdate(
                    DeviceCursor(cursor.user_id, cursor.device_id, cursor.cursor),
                    lambda stored: _confirm(link, stored),
                )
            )
        for given_up in request.unacknowledged:
            # One that is refused costs a notification, which heads and cursors bring back.
            self._given_up.offer(
                UnacknowledgedRange(
                    given_up.user_id, given_up.device_id, given_up.from_seq, given_up.to_seq
                )
            )

        self._signals.take(request, link)

    def _forward(self, request: logic_pb2.LinkRequest) -> None:
        """Pass on what one Access pod says to another; one that is not linked finds out at its
        re-assert."""
        for superseded in request.superseded:
            target = self._links.get(superseded.pod_id)
            if target is not None:
                target.frame(_SMALL).superseded.append(superseded)
        for kicked in request.kicked:
            target = self._links.get(kicked.pod_id)
            if target is not None:
                target.frame(_SMALL).kicked.append(kicked)

    def _take_send(self, send: logic_pb2.SendRequest, link: AccessLink) -> None:
        ref = send.ref
        traces = self._traces if send.traceparent else None
        trace = None if traces is None else traces.begin(send.traceparent)

        def answer(outcome: Outcome) -> None:
            result = link.frame(_SMALL).results.add(ref=ref)
            if isinstance(outcome, Answer):
                result.stored.message_id = outcome.message_id
                result.stored.seq = outcome.seq
            else:
                result.refused.CopyFrom(refused_to_wire(outcome))
            if traces is not None and trace is not None:
                traces.answered(trace, send.conversation_id, outcome)

        self._use.submit.submit(
            draft_of(send, trace),
            epoch=send.epoch,
            resend=send.resend,
            deadline=self._use.clock() + send.budget_ms / 1000,
            answer=answer,
        )

    async def _handle_attaches(self, batch: list[_Attach]) -> None:
        attaches = [
            Attach(
                request.user_id,
                request.device_id,
                request.epoch,
                request.cursor if request.HasField("cursor") else None,
                request.limit,
                request.account_scope,
            )
            for _, request in batch
        ]
        began = 0.0 if self._traces is None else self._traces.now()
        outcomes = await self._use.attach.attach(attaches)
        for (link, request), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, WhimbrelError):
                link.frame(_SMALL).attach_results.add(
                    ref=request.ref, refused=refused_to_wire(outcome)
                )
                continue
            result = link.frame(_SMALL + outcome.page.size_bytes).attach_results.add(
                ref=request.ref,
                cursor=outcome.cursor,
                head=max(outcome.page.head, outcome.cursor),
            )
            for seq in link.fill(result.entries, outcome.page):
                self._use.read.pass_over(request.user_id, seq)
            if self._traces is not None:
                self._traces.read(result.entries, began)

    async def _handle_fetches(self, batch: list[_Fetch]) -> None:
        await asyncio.gather(*(self._fetch(link, request) for link, request in batch))

    async def _fetch(self, link: AccessLink, request: logic_pb2.FetchRequest) -> None:
        began = 0.0 if self._traces is None else self._traces.now()
        try:
            page = await self._use.read.read(
                request.user_id,
                request.from_seq,
                request.limit,
                hole_age_seconds=request.hole_age_ms / 1000,
            )
        except WhimbrelError as error:
            link.frame(_SMALL).fetch_results.add(ref=request.ref, refused=refused_to_wire(error))
            return
        frame = link.frame(_SMALL + page.size_bytes)
        result = frame.fetch_results.add(ref=request.ref, head=page.head)
        for seq in link.fill(result.entries, page):
            self._use.read.pass_over(request.user_id, seq)
        if self._traces is not None:
            self._traces.read(result.entries, began)

    async def _handle_heads(self, batch: list[_HeadCheck]) -> None:
        positions: dict[str, int] = {}
        for check in batch:
            positions[check.user] = min(check.next_seq, positions.get(check.user, check.next_seq))
        try:
            heads = await self._use.timelines.ahead(positions)
        except WhimbrelError:
            return  # not answered: the next re-assert of the pod asks again
        for check in batch:
            head = heads.get(check.user, 0)
            if head >= check.next_seq:
                check.link.frame(_SMALL).head_news.add(user_id=check.user, head=head)


def _confirm(link: AccessLink, cursor: DeviceCursor) -> None:
    link.frame(_SMALL).stored_cursors.add(
        user_id=cursor.user, device_id=cursor.device, cursor=cursor.cursor
    )
