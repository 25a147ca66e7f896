"""`messages` without MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace

from services.logic.domain.model import Change, ClientKey, StoredMessage
from whimbrel.core.ids import unix_ms_of, worker_of
from whimbrel.testing.memory_stores.faults import Faults, Pause

SCAN_PAGE = 500
REPLICATION_SECONDS = 0.1


class MemoryMessageStore:
    """The port MessageStore; `by_id` is everything that is stored. Operations for `faults`:
    insert (with .each), find_by_client_keys, find, change (with .each), scan_worker
    (once a page)."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.by_id: dict[int, StoredMessage] = {}
        self._by_key: dict[ClientKey, StoredMessage] = {}
        self._at_primary: set[int] = set()

    async def prepare(self) -> None:
        """Nothing to create."""

    async def insert(self, messages: Sequence[StoredMessage]) -> list[int]:
        return await self._take(messages, is_durable=True)

    async def insert_at_primary(self, messages: Sequence[StoredMessage]) -> list[int]:
        """What `insert` does, and nobody reads it before the majority has it: when it is kept,
        or by itself a little later."""
        return await self._take(messages, is_durable=False)

    def keep(self, messages: Iterable[StoredMessage]) -> None:
        """The majority has them now."""
        self._at_primary.difference_update(one.message_id for one in messages)

    def lose(self, messages: Iterable[StoredMessage]) -> None:
        """The primary is gone, and with it those of them that nobody else had."""
        for message in messages:
            if message.message_id in self._at_primary:
                self._at_primary.remove(message.message_id)
                del self.by_id[message.message_id]
                self._by_key.pop(message.key, None)

    async def _take(self, messages: Sequence[StoredMessage], *, is_durable: bool) -> list[int]:
        refused = []
        async with self.faults.around("insert"):
            for index, message in enumerate(messages):
                await self.faults.reach("insert.each")
                if message.message_id in self.by_id or message.key in self._by_key:
                    refused.append(index)
                    if is_durable:  # whoever waits for the majority waits for what refused it too
                        self._at_primary.discard(message.message_id)
                        if (there := self._by_key.get(message.key)) is not None:
                            self._at_primary.discard(there.message_id)
                else:
                    self.by_id[message.message_id] = message
                    self._by_key[message.key] = message
                    if not is_durable:
                        self._at_primary.add(message.message_id)
                        loop = asyncio.get_running_loop()
                        loop.call_later(REPLICATION_SECONDS, self.keep, (message,))
        return refused

    async def find_by_client_keys(
        self, keys: Iterable[ClientKey]
    ) -> dict[ClientKey, StoredMessage]:
        async with self.faults.around("find_by_client_keys"):
            found = {key: self._by_key[key] for key in keys if key in self._by_key}
            return {key: one for key, one in found.items() if self._is_durable(one.message_id)}

    def _is_durable(self, message_id: int) -> bool:
        return message_id not in self._at_primary

    async def find(self, ids: Mapping[int, str]) -> dict[int, StoredMessage]:
        async with self.faults.around("find"):
            there = [one for one in ids if one in self.by_id and self._is_durable(one)]
            known = {one: self.by_id[one] for one in there}
            # As on a sharded cluster: under another sender it is not found.
            senders = set(ids.values())
            return {one: row for one, row in known.items() if row.key.sender in senders}

    async def show(self, ids: Mapping[int, str]) -> dict[int, StoredMessage]:
        found = await self.find(ids)
        return {
            one: row if row.traceparent else replace(row, participants=(), digest=b"")
            for one, row in found.items()
        }

    async def change(self, changes: Sequence[Change]) -> None:
        async with self.faults.around("change"):
            for change in changes:
                await self.faults.reach("change.each")
                target = self.by_id.get(change.target)
                if target is None or target.key.sender != change.sender:
                    continue
                if change.is_recall:
                    for one in [target, *self._edits_of(change.target)]:
                        self._empty(one, change.by)
                elif target.recalled_by:
                    self._empty(self.by_id[change.by], target.recalled_by)
                elif target.edited_by < change.by:
                    self._put(
                        replace(
                            target,
                            edited_by=change.by,
                            body_kind=change.body_kind,
                            body=change.body,
                        )
                    )

    def _edits_of(self, message_id: int) -> list[StoredMessage]:
        return [one for one in self.by_id.values() if one.attributes.edits == message_id]

    def _empty(self, message: StoredMessage, by: int) -> None:
        self._put(replace(message, body=b"", recalled_by=max(by, message.recalled_by)))

    def _put(self, message: StoredMessage) -> None:
        self.by_id[message.message_id] = self._by_key[message.key] = message

    async def scan_worker(self, worker: int, from_ms: int) -> AsyncIterator[list[StoredMessage]]:
        last = -1
        while True:
            async with self.faults.around("scan_worker"):
                ids = sorted(
                    one
                    for one in self.by_id
                    if self._is_durable(one)
                    and one > last
                    and worker_of(one) == worker
                    and unix_ms_of(one) >= from_ms
                )[:SCAN_PAGE]
                page = [self.by_id[one] for one in ids]
            if page:
                yield page
            if len(page) < SCAN_PAGE:
                return
            last = ids[-1]
