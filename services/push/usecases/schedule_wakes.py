"""One batch of jobs: which devices each is for, and a place in the queue for them.

A job of Logic's is about a user; a wake is for one device. It waits for a moment, so that an
acknowledgement that is on its way takes it back, and so that the next message of the conversation
finds it and takes its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from services.push.domain.sifting import ReceivedJob, minted_ms
from services.push.domain.wakes import Wake
from services.push.wake_ports import (
    DeviceStore,
    PushDevice,
    WakeMemory,
    WakeQueue,
    WakeTraces,
)
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.push_stream import StreamJob

_log = get_logger(__name__)

CONSOLE = "console"


@dataclass
class ScheduleStatistics:
    """Counts since the start: jobs, unless they say something else."""

    unreadable: int = 0
    expired: int = 0
    unroutable: int = 0
    """Jobs of users without a device that can be woken here."""
    doubles: int = 0
    """Wakes that were sent already, or a newer one of their conversation."""
    scheduled: int = 0
    """Wakes."""


class ScheduleWakes:
    """Expands jobs to devices."""

    def __init__(
        self,
        devices: DeviceStore,
        memory: WakeMemory,
        queue: WakeQueue,
        *,
        providers: Collection[str],
        wall_clock: Callable[[], float],
        delay_seconds: float = 3.0,
        lifetime_seconds: float = 86_400.0,
        max_waiting: int = 200_000,
        traces: WakeTraces | None = None,
    ) -> None:
        """`providers`: those that this deployment has; with "console" among them it takes whom
        nobody else can wake. `wall_clock`: seconds since the Unix epoch. At most about
        `max_waiting` wakes wait for one provider; more are left in the stream."""
        self._devices = devices
        self._memory = memory
        self._queue = queue
        self._providers = frozenset(providers)
        self._wall_clock = wall_clock
        self._delay_ms = round(delay_seconds * 1000)
        self._lifetime_ms = round(lifetime_seconds * 1000)
        self._max_waiting = max_waiting
        self._traces = traces
        self._is_full = False
        self._counts = ScheduleStatistics()

    def statistics(self) -> ScheduleStatistics:
        """A live view of the counts."""
        return self._counts

    async def has_room(self) -> bool:
        """Whether more jobs may be taken: no provider has too many wakes waiting."""
        if self._is_full:
            lengths = [await self._queue.length(provider) for provider in self._providers]
            self._is_full = max(lengths, default=0) >= self._max_waiting
        return not self._is_full

    async def handle(self, received: Sequence[ReceivedJob]) -> list[str]:
        """The entry ids of the jobs that need nothing more: all of them.

        Raises UNAVAILABLE when a store does not answer; none of the batch is finished then, and
        what was scheduled already stays one wake when it comes again.
        """
        jobs = self._fresh(received)
        devices = await self._devices.of_users({job.user for job, _ in jobs}) if jobs else {}
        wakes: dict[str, list[tuple[Wake, int]]] = defaultdict(list)
        for job, at_ms in jobs:
            targets = self._targets(devices.get(job.user, ()))
            self._counts.unroutable += not targets
            for provider, device in targets:
                wakes[provider].append((_wake(job, device, at_ms), at_ms + self._delay_ms))
        for provider, found in wakes.items():
            await self._schedule(provider, found)
        if self._traces is not None:
            for job, at_ms in jobs:
                if job.traceparent:
                    targets = self._targets(devices.get(job.user, ()))
                    self._traces.scheduled(job.traceparent, len(targets), at_ms)
        return [one.entry_id for one in received]

    def _fresh(self, received: Sequence[ReceivedJob]) -> list[tuple[StreamJob, int]]:
        oldest_ms = self._wall_clock() * 1000 - self._lifetime_ms
        fresh: list[tuple[StreamJob, int]] = []
        for entry_id, job in received:
            at_ms = minted_ms(entry_id)
            if job is None:
                self._counts.unreadable += 1
            elif at_ms < oldest_ms:
                self._counts.expired += 1
            else:
                fresh.append((job, at_ms))
        return fresh

    def _targets(self, devices: Sequence[PushDevice]) -> list[tuple[str, str]]:
        """(provider, device) of those that can be woken here."""
        targets = [
            (device.provider, device.device)
            for device in devices
            if device.provider in self._providers
        ]
        if CONSOLE in self._providers:
            others = [
                (CONSOLE, device.device)
                for device in devices
                if device.provider not in self._providers
            ]
            return [*targets, *others] or [(CONSOLE, "")]
        return targets

    async def _schedule(self, provider: str, wakes: Sequence[tuple[Wake, int]]) -> None:
        sent = await self._memory.recent(list({wake.key: None for wake, _ in wakes}))
        new = [one for one in wakes if one[0].seq > sent.get(one[0].key, 0)]
        self._counts.doubles += len(wakes) - len(new)
        if new:
            waiting = await self._queue.schedule(provider, new)
            self._counts.scheduled += len(new)
            self._is_full = self._is_full or waiting >= self._max_waiting


def _wake(job: StreamJob, device: str, at_ms: int) -> Wake:
    return Wake(
        job.user,
        device,
        job.conversation,
        job.sender,
        job.message_id,
        job.seq,
        at_ms,
        mentions_user=job.mentions_user,
        traceparent=job.traceparent,
    )
