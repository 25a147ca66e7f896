"""What is asked before anything is stored: is it a resend, of the newest epoch, what the chain of
`checks` asks, and is what it says of other messages so.

A resend is looked up before every other check, because what was delivered must never be
Rejected afterwards (rule 2). Redis is the fast path of that look-up, MongoDB's unique index the
truth.

A small batch without a resend is checked by what is known already, and then opened: its epochs
are asked and its seqs reserved in one round trip (see batch_ports).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.logic.batch_ports import BatchOpening
from services.logic.domain.model import (
    Answer,
    ClientKey,
    Draft,
    RecentSend,
    StoredMessage,
)
from services.logic.domain.reserved import Reserved
from services.logic.ports import MessageStore, SendMemory
from services.logic.usecases.check_attributes import CheckAttributes
from services.logic.usecases.checks.chain import Check
from services.logic.usecases.checks.facts import GatherFacts
from services.logic.usecases.commit_messages import Addressed, id_reused
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import ErrorCode, WhimbrelError

MAX_OPENED_MESSAGES: Final = 32
"""In a larger batch a round trip more is nothing, and its seqs would be reserved for so long that
readers ask for them as holes."""
MAX_OPENED_ENTRIES: Final = 256


class Checkable(Protocol):
    """What the checks need to know of a send."""

    @property
    def draft(self) -> Draft: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def epoch(self) -> int: ...
    @property
    def resend(self) -> bool: ...
    @property
    def participants(self) -> tuple[str, ...] | None: ...
    @property
    def screened(self) -> Addressed | None: ...


@dataclass(slots=True)
class Checked:
    """The sends of a batch, sorted by what is to be done with them."""

    fresh: list[Addressed] = field(default_factory=list)
    stored: list[StoredMessage] = field(default_factory=list)
    answered: dict[ClientKey, Answer | WhimbrelError] = field(default_factory=dict)
    reserved: Reserved | None = None
    """Seqs for what is fresh, and for what was refused after they were reserved: all of them have
    to be used or made void."""


class CheckSends:
    """At most one round trip to Redis and two to MongoDB, in time, for a whole batch; four when
    it has attributes."""

    def __init__(
        self,
        memory: SendMemory,
        messages: MessageStore,
        facts: GatherFacts,
        chain: Sequence[Check],
        attributes: CheckAttributes,
        *,
        clock: Clock,
        wall_ms: Callable[[], int],
        opening: BatchOpening | None = None,
    ) -> None:
        self._opening = opening
        self._memory = memory
        self._messages = messages
        self._facts = facts
        self._chain = tuple(chain)
        self._attributes = attributes
        self._clock = clock
        self._wall_ms = wall_ms

    async def check(
        self, sends: Sequence[Checkable], *, deadline: float, opens: bool = False
    ) -> Checked:
        """Sort the sends (their keys are distinct); with `opens` seqs may be reserved for those
        that pass. Raises UNAVAILABLE when MongoDB did not answer before the deadline; a Redis
        that does not answer only makes it slower."""
        checked = Checked()
        opening = self._opening if opens and _is_small(sends) else None
        recent, epochs = ({}, {}) if opening else await self._remembered(sends)
        resends = [send for send in sends if send.resend and send.draft.key not in recent]
        stored = await self._stored([send.draft.key for send in resends], deadline)
        candidates = []
        for send in sends:
            key = send.draft.key
            if key in recent:
                same = recent[key].digest == send.digest
                checked.answered[key] = recent[key].answer if same else id_reused(key)
            elif key in stored:
                if stored[key].digest == send.digest:
                    checked.stored.append(stored[key])
                else:
                    checked.answered[key] = id_reused(key)
            elif send.participants is not None:
                checked.fresh.append(Addressed(send.draft, send.participants))
            elif _is_outdated(send, epochs):
                checked.answered[key] = _outdated()
            elif send.screened is not None:
                checked.fresh.append(send.screened)
            else:
                candidates.append(send)
        await self._look(candidates, checked, deadline)
        refused = await self._attributes.check(checked.fresh, deadline=deadline)
        if refused:
            checked.fresh = [one for one in checked.fresh if one.draft.key not in refused]
            checked.answered |= refused
        if opening is not None:
            await self._open(opening, sends, checked)
        return checked

    async def _open(
        self, opening: BatchOpening, sends: Sequence[Checkable], checked: Checked
    ) -> None:
        """Refuse what an older attachment sends, and reserve seqs for the rest."""
        passed = {one.draft.key for one in checked.fresh}
        asking = [s for s in sends if s.draft.key in passed and s.participants is None]
        counts = Counter(user for one in checked.fresh for user in one.participants)
        started = self._clock()
        if counts.total() > MAX_OPENED_ENTRIES:
            _, epochs = await self._remembered(asking)
        else:
            try:
                epochs, firsts = await opening.open(_devices(asking), counts)
            except WhimbrelError:
                return  # Redis is away: as below
            checked.reserved = Reserved(firsts, counts, started)
        for send in asking:
            if _is_outdated(send, epochs):
                checked.answered[send.draft.key] = _outdated()
        checked.fresh = [one for one in checked.fresh if one.draft.key not in checked.answered]

    async def _remembered(
        self, sends: Sequence[Checkable]
    ) -> tuple[dict[ClientKey, RecentSend], dict[tuple[str, str], int]]:
        keys = [send.draft.key for send in sends if send.resend]
        try:
            return await self._memory.look_up(keys, _devices(sends))
        except WhimbrelError:
            return {}, {}  # Redis is away: no newer attachment can come into being either

    async def _stored(
        self, keys: Sequence[ClientKey], deadline: float
    ) -> dict[ClientKey, StoredMessage]:
        if not keys:
            return {}
        return await until_deadline(
            lambda: self._messages.find_by_client_keys(keys),
            deadline=deadline,
            clock=self._clock,
        )

    async def _look(self, sends: Sequence[Checkable], checked: Checked, deadline: float) -> None:
        """Gather what the checks need, and ask them one after the other."""
        if not sends:
            return
        drafts = [send.draft for send in sends]
        gathered = await self._facts.gather(drafts, now_ms=self._wall_ms(), deadline=deadline)
        for asked in gathered:
            for check in self._chain:
                refused = check(asked)
                if refused is not None:
                    checked.answered[asked.draft.key] = refused
                    break
            else:
                checked.fresh.append(
                    Addressed(asked.draft, asked.participants or (), body=asked.body)
                )


def _is_small(sends: Sequence[Checkable]) -> bool:
    """Whether the batch may be opened: none of it is known to be a resend, which is looked up
    before everything else (rule 2)."""
    return len(sends) <= MAX_OPENED_MESSAGES and not any(send.resend for send in sends)


def _devices(sends: Sequence[Checkable]) -> list[tuple[str, str]]:
    return list({(send.draft.key.sender, send.draft.key.device) for send in sends})


def _is_outdated(send: Checkable, epochs: dict[tuple[str, str], int]) -> bool:
    key = send.draft.key
    return epochs.get((key.sender, key.device), 0) > send.epoch


def _outdated() -> WhimbrelError:
    return WhimbrelError(ErrorCode.STALE_EPOCH, "this device has attached elsewhere since")
