"""`messages` in MongoDB: what was said, once per (sender, device, client_message_id).

    _id (message_id), sender, device, client_message_id, conversation, participants,
    body_kind, body, sent_at_ms, digest
    of some: attributes, recalled_by, edited_by, traceparent

Shards by sender: every look-up but the scan of a dead worker's messages names the sender.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bson import Int64
from pymongo import ASCENDING

from services.logic.adapters.message_changes_mongo import (
    attributes_document,
    attributes_of,
    emptied,
    updates_of,
)
from services.logic.adapters.mongo_bulk import insert_unordered, update_unordered
from services.logic.domain.model import Change, ClientKey, StoredMessage
from whimbrel.core.ids import COUNTER_BITS, MAX_WORKER, compose
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION = "messages"
BY_ID = "_id_"
SCAN_PAGE = 500
LOOK_UP_CHUNK = 100
"""Devices, each with its client_message_ids, in one query."""
MAX_COMMAND_BYTES = 16 << 20
"""Bodies in one insert: a full batch of full bodies is more than the server takes (48 MB)."""


class MongoMessageStore:
    """The port MessageStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._messages = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index that finds resends (does nothing when it is there)."""
        with writing():
            await self._messages.create_index(
                [("sender", ASCENDING), ("device", ASCENDING), ("client_message_id", ASCENDING)],
                unique=True,
            )
            # Of edits alone, so that nothing else pays for it: a recall empties them too.
            await self._messages.create_index(
                [("sender", ASCENDING), ("attributes.edits", ASCENDING)],
                partialFilterExpression={"attributes.edits": {"$exists": True}},
            )

    async def insert(self, messages: Sequence[StoredMessage]) -> list[int]:
        refused: list[int] = []
        for start, part in parts_of(messages):
            documents = [document_of(message) for message in part]
            indexes = await insert_unordered(self._database, COLLECTION, documents)
            refused += [start + index for index in indexes]
        return refused

    async def find_by_client_keys(
        self, keys: Iterable[ClientKey]
    ) -> dict[ClientKey, StoredMessage]:
        by_device: dict[tuple[str, str], list[str]] = defaultdict(list)
        for sender, device, client_message_id in keys:
            by_device[sender, device].append(client_message_id)
        either = [
            {"sender": sender, "device": device, "client_message_id": {"$in": ids}}
            for (sender, device), ids in by_device.items()
        ]
        found: dict[ClientKey, StoredMessage] = {}
        for start in range(0, len(either), LOOK_UP_CHUNK):
            with reading():
                cursor = self._messages.find({"$or": either[start : start + LOOK_UP_CHUNK]})
                rows = await cursor.to_list(None)
            for row in rows:
                message = _message(row)
                found[message.key] = message
        return found

    async def find(self, ids: Mapping[int, str]) -> dict[int, StoredMessage]:
        if not ids:
            return {}
        # The senders tell a router of a sharded cluster where to look; the ids find the rows.
        wanted = {
            "_id": {"$in": [Int64(one) for one in ids]},
            "sender": {"$in": [*{*ids.values()}]},
        }
        with reading():
            rows = await self._messages.find(wanted, hint=BY_ID).to_list(None)
        return {row["_id"]: _message(row) for row in rows}

    async def change(self, changes: Sequence[Change]) -> None:
        for start in range(0, len(changes), LOOK_UP_CHUNK):
            part = changes[start : start + LOOK_UP_CHUNK]
            updates = [update for one in part for update in updates_of(one)]
            await update_unordered(self._database, COLLECTION, updates)
            edits = [one for one in part if not one.is_recall]
            targets = await self.find({one.target: one.sender for one in edits})
            # Recalled before, or meanwhile: what the edit says is taken back with it.
            gone = [
                emptied(one.by, one.sender, targets[one.target].recalled_by)
                for one in edits
                if one.target in targets and targets[one.target].recalled_by
            ]
            if gone:
                await update_unordered(self._database, COLLECTION, gone)

    async def scan_worker(self, worker: int, from_ms: int) -> AsyncIterator[list[StoredMessage]]:
        every_bit = MAX_WORKER << COUNTER_BITS
        its_bits = worker << COUNTER_BITS
        # One query a page, so that each has a deadline of its own.
        first: dict[str, Any] = {"$gte": Int64(max(0, compose(from_ms, 0, 0)))}
        while True:
            matching = {
                "_id": {
                    **first,
                    "$bitsAllSet": Int64(its_bits),
                    "$bitsAllClear": Int64(every_bit ^ its_bits),
                }
            }
            with reading():
                cursor = self._messages.find(matching, hint=BY_ID)
                rows = await cursor.sort("_id", ASCENDING).limit(SCAN_PAGE).to_list(None)
            if rows:
                yield [_message(row) for row in rows]
            if len(rows) < SCAN_PAGE:
                return
            first = {"$gt": rows[-1]["_id"]}


def parts_of(messages: Sequence[StoredMessage]) -> Iterator[tuple[int, Sequence[StoredMessage]]]:
    """Cut where MAX_COMMAND_BYTES is reached; each part with the index of its first message."""
    start = size = 0
    for index, message in enumerate(messages):
        size += len(message.body)
        if size > MAX_COMMAND_BYTES and index > start:
            yield start, messages[start:index]
            start, size = index, len(message.body)
    yield start, messages[start:]


def document_of(message: StoredMessage) -> Document:
    """As `messages` keeps it."""
    sender, device, client_message_id = message.key
    document = {
        "_id": Int64(message.message_id),
        "sender": sender,
        "device": device,
        "client_message_id": client_message_id,
        "conversation": message.conversation,
        "participants": list(message.participants),
        "body_kind": message.body_kind,
        "body": message.body,
        "sent_at_ms": message.sent_at_ms,
        "digest": message.digest,
    }
    if message.attributes:
        document["attributes"] = attributes_document(message.attributes)
    if message.traceparent:
        document["traceparent"] = message.traceparent
    return document


def _message(row: Mapping[str, Any]) -> StoredMessage:
    return StoredMessage(
        message_id=int(row["_id"]),
        key=ClientKey(row["sender"], row["device"], row["client_message_id"]),
        conversation=row["conversation"],
        participants=tuple(row["participants"]),
        body_kind=row["body_kind"],
        body=row["body"],
        sent_at_ms=int(row["sent_at_ms"]),
        digest=row["digest"],
        attributes=attributes_of(row.get("attributes")),
        recalled_by=int(row.get("recalled_by", 0)),
        edited_by=int(row.get("edited_by", 0)),
        traceparent=row.get("traceparent", ""),
    )
