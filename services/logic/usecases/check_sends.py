"""What is asked before anything is stored: is it a resend, of the newest epoch, what the chain of
`checks` asks, and is what it says of other messages so.

A resend is looked up before every other check, because what was delivered must never be
Rejected afterwards (rule 2). Redis is the fast path of that look-up, MongoDB's unique index the
truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.logic.domain.model import (
    Answer,
    ClientKey,
    Draft,
    RecentSend,
    StoredMessage,
)
from services.logic.ports import MessageStore, SendMemory
from services.logic.usecases.check_attributes import CheckAttributes
from services.logic.usecases.checks.chain import Check
from services.logic.usecases.checks.facts import GatherFacts
from services.logic.usecases.commit_messages import Addressed, id_reused
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import ErrorCode, WhimbrelError


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
    ) -> None:
        self._memory = memory
        self._messages = messages
        self._facts = facts
        self._chain = tuple(chain)
        self._attributes = attributes
        self._clock = clock
        self._wall_ms = wall_ms

    async def check(self, sends: Sequence[Checkable], *, deadline: float) -> Checked:
        """Sort the sends (their keys are distinct). Raises UNAVAILABLE when MongoDB did not
        answer before the deadline; a Redis that does not answer only makes it slower."""
        checked = Checked()
        recent, epochs = await self._remembered(sends)
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
            elif epochs.get((key.sender, key.device), 0) > send.epoch:
                checked.answered[key] = WhimbrelError(
                    ErrorCode.STALE_EPOCH, "this device has attached elsewhere since"
                )
            elif send.screened is not None:
                checked.fresh.append(send.screened)
            else:
                candidates.append(send)
        await self._look(candidates, checked, deadline)
        refused = await self._attributes.check(checked.fresh, deadline=deadline)
        if refused:
            checked.fresh = [one for one in checked.fresh if one.draft.key not in refused]
            checked.answered |= refused
        return checked

    async def _remembered(
        self, sends: Sequence[Checkable]
    ) -> tuple[dict[ClientKey, RecentSend], dict[tuple[str, str], int]]:
        keys = [send.draft.key for send in sends if send.resend]
        devices = list({(send.draft.key.sender, send.draft.key.device) for send in sends})
        try:
            return await self._memory.look_up(keys, devices)
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
