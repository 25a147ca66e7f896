"""Signals from one device to the members of its conversation: where they are, now, or not at all.

A read receipt is stored before anybody hears of it, so whoever missed it can ask. The others are
only said. Apart from the fan-out, with its own way to the Router: no message waits for a signal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from services.logic.domain.signals import Signal, SignalKind
from services.logic.ports import ConversationStore
from services.logic.signal_ports import SignalOutlet, Whereabouts
from services.logic.usecases.note_reads import NoteReads
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.tell_receipts import TellReceipts
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.names import direct_participants
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_BATCH = 500
MAX_WAITING = 5_000
MAX_TOLD = 100
"""Members of a conversation whose typing and reading the others are told. In a larger one each
message would be read by everybody to everybody: its read cursors are listed when asked for."""


class PassSignals:
    """`offer` from any link; the pipeline's loop passes them on."""

    def __init__(
        self,
        conversations: ConversationStore,
        whereabouts: Whereabouts,
        outlet: SignalOutlet,
        note_reads: NoteReads,
        host: TellReceipts | None = None,
    ) -> None:
        self._conversations = conversations
        self._whereabouts = whereabouts
        self._outlet = outlet
        self._note_reads = note_reads
        self._host = host
        self.dropped = 0
        """Signals that were given up: too many waited, or somebody did not answer."""
        self.pipeline: Pipeline[Signal] = Pipeline(
            self._handle, max_items=MAX_BATCH, max_waiting=MAX_WAITING
        )

    def offer(self, signal: Signal) -> None:
        """Never waits."""
        if not self.pipeline.offer(signal):
            self.dropped += 1

    async def read(self, read: Signal) -> None:
        """A read that comes beside the streams: stored on return, and told as any other. Raises
        UNAVAILABLE when it could not be stored."""
        noted = await self._note_reads.note([read])
        if self._host is not None:
            await self._host.tell(noted)
        await self._tell(noted)

    async def _handle(self, batch: list[Signal]) -> None:
        signals = _newest(batch)
        reads = [one for one in signals if one.kind is SignalKind.READ]
        others = [one for one in signals if one.kind is not SignalKind.READ]
        try:
            noted = await self._note_reads.note(reads)
            if self._host is not None:
                await self._host.tell([*noted, *others])
        except WhimbrelError as error:
            self._drop(reads, error)
            noted = []
        await self._tell([*noted, *others])

    async def _tell(self, signals: Sequence[Signal]) -> None:
        try:
            await self._pass(signals)
        except WhimbrelError as error:
            self._drop(signals, error)

    def _drop(self, signals: Sequence[Signal], error: WhimbrelError) -> None:
        self.dropped += len(signals)
        log.info("signals_dropped", count=len(signals), detail=error.detail)

    async def _pass(self, signals: Sequence[Signal]) -> None:
        groups = {one.conversation for one in signals if one.conversation.startswith("g:")}
        members = await self._conversations.participants(groups) if groups else {}
        audiences = [(one, _audience(one, members.get(one.conversation))) for one in signals]
        everybody = list({user for _, users in audiences for user in users})
        if not everybody:
            return
        found = await self._whereabouts.whereabouts(everybody)
        for signal, users in audiences:
            by_pod: dict[str, list[str]] = defaultdict(list)
            for user in users:
                for pod_id in {one.pod_id for one in found[user]}:
                    by_pod[pod_id].append(user)
            for pod_id, there in by_pod.items():
                if not self._outlet.signal(pod_id, signal, there):
                    self.dropped += 1


def _newest(batch: Sequence[Signal]) -> list[Signal]:
    """Of each device and thing the last one; of receipts the highest."""
    newest: dict[tuple[str, str, str, str], Signal] = {}
    for signal in batch:
        key = (signal.kind.value, signal.user, signal.device, signal.conversation)
        known = newest.get(key)
        if known is None or signal.message_id >= known.message_id:
            newest[key] = signal
    return list(newest.values())


def _audience(signal: Signal, group: tuple[str, ...] | None) -> tuple[str, ...]:
    """Who is told. Nobody is told by somebody who is not in the conversation; what a user has
    read concerns the user's own devices in any case."""
    try:
        members: tuple[str, ...] = direct_participants(signal.conversation) or group or ()
    except WhimbrelError:
        return ()
    if signal.kind is SignalKind.READ:
        is_told = signal.user in members and len(members) <= MAX_TOLD
        return members if is_told else (signal.user,)
    if signal.user not in members or len(members) > MAX_TOLD:
        return ()
    if signal.kind is SignalKind.DELIVERED and group is not None:
        return ()
    return tuple(user for user in members if user != signal.user)
