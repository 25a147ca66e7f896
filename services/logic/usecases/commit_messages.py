"""The group commit: messages first, then their places, then (and only then) the answer.

One batch costs two bulk inserts, one reservation and one wait for the majority however many
messages are in it; two where one majority cannot prove both inserts. The unique index on
(sender, device, client_message_id) finds the resends, which get the first answer again (promise
3). Nothing is answered before all of a message's entries are committed (promise 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.logic.batch_ports import InsertPair, PairedInserts
from services.logic.domain.model import ClientKey, Committed, Draft, StoredMessage, TimelineEntry
from services.logic.domain.reserved import Reserved, Wanted
from services.logic.ports import MessageStore
from services.logic.usecases.complete_messages import CompleteMessages
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.patience import Clock, until_deadline
from services.logic.usecases.place_entries import PlaceEntries, UnconfirmedError
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.core.ids import unix_ms_of
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)


class Addressed(NamedTuple):
    """A draft that passed the checks, and who gets it."""

    draft: Draft
    participants: tuple[str, ...]
    body: bytes | None = None
    """What is stored instead of the draft's body (words are masked in it). The digest stays that
    of what the client sent, so that its resend is recognised."""
    body_kind: int | None = None
    """What is stored instead of the draft's kind, with `body`."""


Minted = tuple[Addressed, StoredMessage]
"""A draft, and the message that it becomes."""


@dataclass(slots=True)
class Unfinished:
    """The span of ids (Unix milliseconds) that a failed commit may have left half done."""

    from_ms: int
    to_ms: int


class CommitMessages:
    """Commit batches, one at a time."""

    def __init__(
        self,
        messages: MessageStore,
        placer: PlaceEntries,
        completer: CompleteMessages,
        ids: MintIds,
        *,
        clock: Clock,
        on_unfinished: Callable[[Unfinished], None],
        pairs: PairedInserts | None = None,
    ) -> None:
        self._pairs = pairs
        self._messages = messages
        self._placer = placer
        self._completer = completer
        self._ids = ids
        self._clock = clock
        self._on_unfinished = on_unfinished

    async def commit(
        self, batch: Sequence[Addressed], *, deadline: float, reserved: Reserved | None = None
    ) -> list[Committed | WhimbrelError]:
        """Store and place each message; the outcomes in the order of `batch`. All that is
        `reserved` for it is used, or void on return.

        An outcome is a WhimbrelError ID_REUSED when the same key was used with other content.
        Raises UNAVAILABLE with outcome_unknown when a store did not answer before the deadline
        (monotonic seconds); what may be half done then is reported to `on_unfinished`.
        """
        started = Unfinished(from_ms=self._ids.wall_ms(), to_ms=0)
        try:
            minted = [(one, await self._mint(one, deadline)) for one in batch]
            outcomes = await self._commit(minted, deadline, reserved)
        except BaseException:
            started.from_ms = min(started.from_ms, self._ids.last_issued_ms)
            started.to_ms = max(started.from_ms, self._ids.last_issued_ms)
            self._on_unfinished(started)
            raise
        return [outcomes[addressed.draft.key] for addressed in batch]

    async def _commit(
        self, minted: Sequence[Minted], deadline: float, reserved: Reserved | None
    ) -> Mapping[ClientKey, Committed | WhimbrelError]:
        """With one majority for both inserts, where that can be. When it came to nothing all of
        it is done again with two, as it was: what is stored already is found."""
        tried: Sequence[TimelineEntry] = ()
        if self._pairs is not None:
            try:
                async with self._pairs.pair() as pair:
                    if pair is not None:
                        return await self._write(minted, deadline, reserved, pair=pair)
            except UnconfirmedError as error:
                tried = error.entries
                log.warning("commit_repeated", messages=len(minted), detail=str(error))
            except WhimbrelError as error:
                if error.code is not ErrorCode.UNAVAILABLE or self._clock() >= deadline:
                    raise
                log.warning("commit_repeated", messages=len(minted), detail=error.detail)
        return await self._write(minted, deadline, reserved, tried=tried)

    async def _write(
        self,
        minted: Sequence[Minted],
        deadline: float,
        reserved: Reserved | None,
        *,
        pair: InsertPair | None = None,
        tried: Sequence[TimelineEntry] = (),
    ) -> Mapping[ClientKey, Committed | WhimbrelError]:
        fresh, stored, reused = await self._store(minted, deadline, pair)
        wanted = [Wanted(user, message) for message in fresh for user in message.participants]
        by_id = {message.message_id: Committed(message) for message in fresh}
        placed = await self._placer.place(
            wanted, deadline=deadline, reserved=reserved, pair=pair, tried=tried
        )
        for entry in placed:
            by_id[entry.message_id or 0].entries.append(entry)
        completed = await self._completer.complete(stored, deadline=deadline)
        outcomes: dict[ClientKey, Committed | WhimbrelError] = {**reused}
        outcomes |= {result.message.key: result for result in (*by_id.values(), *completed)}
        return outcomes

    async def _store(
        self, minted: Sequence[Minted], deadline: float, pair: InsertPair | None
    ) -> tuple[list[StoredMessage], list[StoredMessage], dict[ClientKey, WhimbrelError]]:
        """Insert the messages: those that are stored now (durable with their entries, when there
        is a `pair`), those that were stored before by the same send, and the errors of keys that
        were used for something else."""
        fresh: list[StoredMessage] = []
        stored: list[StoredMessage] = []
        reused: dict[ClientKey, WhimbrelError] = {}
        waiting = list(minted)
        if pair is not None and waiting:
            refused = await pair.insert_messages([mine for _, mine in waiting])
            fresh, waiting = _parted(waiting, refused)
            # What refused them may not be durable yet: the next insert waits until it is.
        while waiting:
            refused = await self._insert([mine for _, mine in waiting], deadline)
            inserted, waiting = _parted(waiting, refused)
            fresh += inserted
            if not waiting:
                break
            known = await self._look_up([mine.key for _, mine in waiting], deadline)
            again: list[Minted] = []
            for addressed, mine in waiting:
                theirs = known.get(mine.key)
                if theirs is None:
                    # The id collided: draw another (rule 8).
                    again.append((addressed, await self._mint(addressed, deadline)))
                elif theirs.message_id == mine.message_id:
                    fresh.append(mine)  # it was us, in an attempt whose outcome was unknown
                elif theirs.digest == mine.digest:
                    stored.append(theirs)
                else:
                    reused[mine.key] = id_reused(mine.key)
            if again and self._clock() >= deadline:
                raise unavailable("the messages were not stored in time", outcome_unknown=True)
            waiting = again
        # Timelines follow message_id, also where one was minted again.
        return sorted(fresh, key=lambda message: message.message_id), stored, reused

    async def _mint(self, addressed: Addressed, deadline: float) -> StoredMessage:
        message_id = await self._ids.mint(deadline)
        draft = addressed.draft
        return StoredMessage(
            message_id=message_id,
            key=draft.key,
            conversation=draft.conversation,
            participants=addressed.participants,
            body_kind=draft.body_kind if addressed.body_kind is None else addressed.body_kind,
            body=draft.body if addressed.body is None else addressed.body,
            sent_at_ms=unix_ms_of(message_id),
            digest=draft.digest,
            attributes=draft.attributes,
            traceparent="" if draft.trace is None else draft.trace.context.traceparent,
        )

    async def _insert(self, messages: Sequence[StoredMessage], deadline: float) -> list[int]:
        return await until_deadline(
            lambda: self._messages.insert(messages), deadline=deadline, clock=self._clock
        )

    async def _look_up(
        self, keys: Sequence[ClientKey], deadline: float
    ) -> dict[ClientKey, StoredMessage]:
        return await until_deadline(
            lambda: self._messages.find_by_client_keys(keys),
            deadline=deadline,
            clock=self._clock,
        )


def _parted(
    minted: Sequence[Minted], refused: Sequence[int]
) -> tuple[list[StoredMessage], list[Minted]]:
    """Those that were inserted, and those that were refused."""
    indexes = set(refused)
    inserted = [mine for index, (_, mine) in enumerate(minted) if index not in indexes]
    return inserted, [minted[index] for index in refused]


def id_reused(key: ClientKey) -> WhimbrelError:
    """The same client_message_id with another conversation or body (rule 9)."""
    return WhimbrelError(
        ErrorCode.ID_REUSED,
        f"client_message_id {key.client_message_id} was used for another message of this device: "
        "a new message needs a new id",
    )
