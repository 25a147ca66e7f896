"""After the commit: who is where, who gets what, and who is to be woken.

Routes are read after the commit was acknowledged and never cached (rule 10). A look-up that
fails is tried again and never means offline (rule 11). What cannot be handed on is not lost: it
is in the timelines, and the pods check their sessions' heads.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from services.logic.domain.model import (
    Answer,
    Committed,
    PushJob,
    RecentSend,
    StoredMessage,
    TimelineEntry,
)
from services.logic.ports import Locator, SendMemory
from services.logic.trace_ports import MessageTraces
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.treat_as_offline import TreatAsOffline
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

LOCATE_PAUSE_SECONDS = 0.1
REMEMBER_PAUSE_SECONDS = 0.1
"""Between two batches of sends to remember: nobody waits for it, and at a low rate it saves a
round trip for each message. A resend that comes earlier is found by the unique index."""
MAX_MESSAGES = 1000


class Outlet(Protocol):
    """The links to the Access pods."""

    def deliver(
        self, pod_id: str, message: StoredMessage, targets: Sequence[TimelineEntry]
    ) -> bool:
        """Put the message on the link to the pod, once for all its targets there. False when
        there is no live link: the pod is gone or will check its heads when it links."""
        ...


class FanOut:
    """Hand committed messages to the pods of their participants; index and push for the rest."""

    def __init__(
        self,
        locator: Locator,
        outlet: Outlet,
        offline: TreatAsOffline,
        memory: SendMemory,
        *,
        max_waiting: int,
        traces: MessageTraces | None = None,
    ) -> None:
        self._locator = locator
        self._traces = traces
        self._outlet = outlet
        self._offline = offline
        self._memory = memory
        self.dropped = 0
        """Messages whose live delivery was given up because too many waited."""
        self.pipeline: Pipeline[Committed] = Pipeline(
            self._handle, max_items=MAX_MESSAGES, max_waiting=max_waiting
        )
        # Apart from the fan-out, so that nobody's delivery waits for it.
        self.memory_pipeline: Pipeline[RecentSend] = Pipeline(
            self._remember, max_items=MAX_MESSAGES, max_waiting=max_waiting
        )

    def enqueue(self, committed: Sequence[Committed]) -> None:
        """Never blocks the commit. Beyond the bound the live delivery is left to the heads."""
        for one in committed:
            if not self.pipeline.offer(one):
                self.dropped += 1

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until everything is handed on and remembered; False when that took too long."""
        for pipeline in (self.pipeline, self._offline.pipeline, self.memory_pipeline):
            if not await pipeline.wait_idle(timeout_seconds):
                return False
        return True

    async def _handle(self, batch: list[Committed]) -> None:
        users = list({entry.user for one in batch for entry in one.entries})
        began = 0.0 if self._traces is None else self._traces.now()
        pods = await self._locate(users)
        located = 0.0 if self._traces is None else self._traces.now()
        for one in batch:
            by_pod: dict[str, list[TimelineEntry]] = defaultdict(list)
            for entry in one.entries:
                for pod_id in pods[entry.user]:
                    by_pod[pod_id].append(entry)
            reached: set[str] = set()
            for pod_id, targets in by_pod.items():
                if self._outlet.deliver(pod_id, one.message, targets):
                    reached.update(entry.user for entry in targets)
            self._offline.enqueue(_jobs(one, reached), one.message)
        if self._traces is not None:
            traced = [one.message for one in batch if one.message.traceparent]
            if traced:
                self._traces.fanned_out(traced, began, located, batch=len(batch))
        # Last of all: a hit in the memory says that the fan-out was done (rule 16). One that
        # does not fit in is found by the unique index.
        for one in batch:
            answer = Answer(one.message.message_id, one.sender_seq)
            self.memory_pipeline.offer(RecentSend(one.message.key, one.message.digest, answer))

    async def _locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        while True:
            try:
                return await self._locator.locate(users)
            except WhimbrelError as error:
                log.warning("locate_failed", users=len(users), detail=error.detail)
            await asyncio.sleep(LOCATE_PAUSE_SECONDS)

    async def _remember(self, sends: list[RecentSend]) -> None:
        try:
            await self._memory.remember(sends)
        except WhimbrelError as error:
            log.warning("sends_not_remembered", count=len(sends), detail=error.detail)
        await asyncio.sleep(REMEMBER_PAUSE_SECONDS)


def _jobs(committed: Committed, reached: set[str]) -> list[PushJob]:
    """Who has to be woken. Nobody is woken for what they wrote themselves."""
    message = committed.message
    sender = message.key.sender
    means, means_all = message.attributes.mentions, message.attributes.mentions_all
    return [
        PushJob(
            entry.user,
            message.conversation,
            sender,
            message.message_id,
            entry.seq,
            means_all or entry.user in means,
            message.traceparent,
        )
        for entry in committed.entries
        if entry.user not in reached and entry.user != sender
    ]
