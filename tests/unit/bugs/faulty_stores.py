"""Stores with a bug each, to be put behind a port of a world. What is not overridden is sound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.logic.domain.model import (
    ClientKey,
    DeadWorker,
    DeviceCursor,
    Placement,
    StoredMessage,
    TimelineEntry,
    WorkerLease,
)
from services.logic.ports import Locator
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import WhimbrelError
from whimbrel.testing.memory_cluster.stores import WorldStores, sound_stores
from whimbrel.testing.memory_directory import MemoryDirectory
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore
from whimbrel.testing.memory_stores.worker_leases import MemoryWorkerLeases

_FOR_EVER_MS = 1 << 42
WallMs = Callable[[], int]


class AnswersBeforeItWrites(MemoryTimelineStore):
    """Says that entries are committed, and writes them a little later if it still can."""

    async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
        asyncio.get_running_loop().call_later(0.2, self._write, list(entries))
        return []

    def _write(self, entries: Sequence[TimelineEntry]) -> None:
        if not self.faults.away:
            for entry in entries:
                self._store(entry)


class WithoutPlacements(MemoryTimelineStore):
    """Lacks the unique index (user, conversation, message_id)."""

    def _store(self, entry: TimelineEntry) -> bool:
        self._placed.clear()
        return super()._store(entry)

    async def find_placed(self, placements: Iterable[Placement]) -> dict[Placement, int]:
        return {}


class OverwritesEntries(MemoryTimelineStore):
    """Writes over what stands at a seq instead of refusing: an upsert in the place of an insert.
    `only_voids`: as far as it writes voids."""

    only_voids = False

    def _store(self, entry: TimelineEntry) -> bool:
        there = self.entries[entry.user].get(entry.seq)
        if there is not None and (entry.is_void or not self.only_voids):
            del self.entries[entry.user][entry.seq]
            self._placed.pop(Placement(there.user, there.conversation, there.message_id or 0), None)
        return super()._store(entry)


class VoidsOverwrite(OverwritesEntries):
    """A void takes the place of a living entry."""

    only_voids = True


class WithoutClientKeys(MemoryMessageStore):
    """Lacks the unique index (sender, device, client_message_id)."""

    async def _take(self, messages: Sequence[StoredMessage], *, is_durable: bool) -> list[int]:
        self._by_key.clear()
        return await super()._take(messages, is_durable=is_durable)

    async def find_by_client_keys(
        self, keys: Iterable[ClientKey]
    ) -> dict[ClientKey, StoredMessage]:
        return {}


class OverwritesMessages(MemoryMessageStore):
    """Writes over the message that has the same id."""

    async def _take(self, messages: Sequence[StoredMessage], *, is_durable: bool) -> list[int]:
        for message in messages:
            there = self.by_id.get(message.message_id)
            if there is not None and there.key != message.key:
                del self.by_id[message.message_id]
        return await super()._take(messages, is_durable=is_durable)


class TodaysMembers(MemoryMessageStore):
    """Shows a group's members of today as the participants of its old messages."""

    def __init__(self, conversations: MemoryConversationStore) -> None:
        super().__init__()
        self._conversations = conversations

    async def find_by_client_keys(
        self, keys: Iterable[ClientKey]
    ) -> dict[ClientKey, StoredMessage]:
        found = await super().find_by_client_keys(keys)
        return {key: self._today(message) for key, message in found.items()}

    async def scan_worker(self, worker: int, from_ms: int) -> AsyncIterator[list[StoredMessage]]:
        async for page in super().scan_worker(worker, from_ms):
            yield [self._today(message) for message in page]

    def _today(self, message: StoredMessage) -> StoredMessage:
        members = self._conversations.groups.get(message.conversation, message.participants)
        return replace(
            message, participants=tuple({message.key.sender: 1, **dict.fromkeys(members)})
        )


class CountersTooLow(MemorySeqReservations):
    """Sets counters three below the heads that it is told."""

    async def raise_to(self, heads: Mapping[str, int]) -> None:
        await super().raise_to({user: max(0, head - 3) for user, head in heads.items()})


class ReadsAStaleReplica(MemoryCursorStore):
    """Finds cursors as they were a second ago: a read from a secondary."""

    def __init__(self) -> None:
        super().__init__()
        self._past: deque[tuple[float, dict[tuple[str, str], int]]] = deque()

    async def find(self, devices: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return self._as_they_were(await super().find(devices))

    async def find_of_users(self, users: Iterable[str]) -> dict[tuple[str, str], int]:
        return self._as_they_were(await super().find_of_users(users))

    async def raise_to(self, cursors: Sequence[DeviceCursor]) -> None:
        await super().raise_to(cursors)
        self._remember()

    async def create(self, cursors: Sequence[DeviceCursor]) -> None:
        await super().create(cursors)
        self._remember()

    def _as_they_were(self, found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        now = asyncio.get_running_loop().time()
        past = [cursors for at, cursors in self._past if at <= now - 1.0]
        return {one: (past[-1] if past else {}).get(one, 0) for one in found}

    def _remember(self) -> None:
        self._past.append((asyncio.get_running_loop().time(), dict(self.cursors)))


class OneWorkerForAll(MemoryWorkerLeases):
    """Hands the same worker number out to everybody, from the beginning of time on."""

    async def acquire(self, holder: str, **times: int) -> WorkerLease:
        return WorkerLease(1, holder, 0, _FOR_EVER_MS)

    async def renew(self, lease: WorkerLease, **times: int) -> WorkerLease:
        return lease

    async def claim_dead(self, claimant: str, **times: int) -> DeadWorker | None:
        return None


class IgnoresEpochs(MemoryDirectory):
    """Takes a route away whoever holds it by now."""

    async def detach(self, sessions: Sequence[router_pb2.Session]) -> None:
        self._now()
        for session in sessions:
            self._routes.get(session.user_id, {}).pop(session.device_id, None)


class KeepsTheFirstRoute(Locator):
    """Remembers where a user was seen first, and sends everything there."""

    def __init__(self, sound: Locator) -> None:
        self._sound = sound
        self._first: dict[str, list[str]] = {}

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        for user, pods in (await self._sound.locate(users)).items():
            if pods:
                self._first.setdefault(user, pods)
        return {user: self._first.get(user, []) for user in users}


class FailureIsOffline(Locator):
    """Takes a failed look-up for "nobody is online"."""

    def __init__(self, sound: Locator) -> None:
        self._sound = sound

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        try:
            return await self._sound.locate(users)
        except WhimbrelError:
            return {user: [] for user in users}


def with_stores(**faulty: Callable[[], Any]) -> Callable[[WallMs], WorldStores]:
    """Stores of which some are made by these."""

    def make(wall_ms: WallMs) -> WorldStores:
        return replace(sound_stores(wall_ms), **{name: make() for name, make in faulty.items()})

    return make


def with_locator(wrap: Callable[[Locator], Locator]) -> Callable[[WallMs], WorldStores]:
    """Each Logic process looks users up through this."""
    return lambda wall_ms: replace(sound_stores(wall_ms), locator_of=wrap)


def with_todays_members(wall_ms: WallMs) -> WorldStores:
    """Stores whose messages show the members of today."""
    stores = sound_stores(wall_ms)
    return replace(stores, messages=TodaysMembers(stores.conversations))


def with_careless_directory(wall_ms: WallMs) -> WorldStores:
    """Stores whose directory ignores epochs."""
    return WorldStores(IgnoresEpochs(wall_ms))
