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
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

log = get_logger(__name__)

COLLECTION = "messages"
BY_ID = "_id_"
SCAN_PAGE = 500
LOOK_UP_CHUNK = 100
"""Devices, each with its client_message_ids, in one query."""
_REQUIRED = ("participants", "digest")
_SHOWN = dict.fromkeys(_REQUIRED, False)
"""Left out where a message is shown to one who has its entry already."""
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
            for message in _messages(rows):
                found[message.key] = message
        return found

    async def find(self, ids: Mapping[int, str]) -> dict[int, StoredMessage]:
        return await self._find(ids, None)

    async def show(self, ids: Mapping[int, str]) -> dict[int, StoredMessage]:
        shown = await self._find(ids, _SHOWN)
        traced = [one.message_id for one in shown.values() if one.traceparent]
        if traced:
            shown |= await self.find({one: ids[one] for one in traced})
        return shown

    async def _find(
        self, ids: Mapping[int, str], fields: Mapping[str, bool] | None
    ) -> dict[int, StoredMessage]:
        if not ids:
            return {}
        # The senders tell a router of a sharded cluster where to look; the ids find the rows.
        wanted = {
            "_id": {"$in": [Int64(one) for one in ids]},
            "sender": {"$in": [*{*ids.values()}]},
        }
        with reading():
            # All in the first answer: the server keeps back what is beyond 101 rows otherwise.
            cursor = self._messages.find(wanted, fields, hint=BY_ID).batch_size(len(ids) + 1)
            rows = await cursor.to_list(None)
        return {one.message_id: one for one in _messages(rows, _REQUIRED if fields is None else ())}

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
                yield list(_messages(rows))
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


def _messages(
    rows: Iterable[Mapping[str, Any]], required: Iterable[str] = _REQUIRED
) -> Iterator[StoredMessage]:
    """Those of the rows that are messages. One that something else wrote, or that has lost a
    part, must not cost more than itself: it counts as absent, and the auditor names it."""
    for row in rows:
        try:
            for field in required:
                row[field]
            message = _message(row)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            wrong = repr(error) if isinstance(error, KeyError) else type(error).__name__
        else:
            yield message
            continue
        log.error("message_row_damaged", message_id=str(row["_id"]), wrong=wrong)


def _message(row: Mapping[str, Any]) -> StoredMessage:
    """Raises LookupError, TypeError or ValueError for a row that is none."""
    get = row.get
    body = row["body"]
    if not isinstance(body, bytes):
        raise TypeError("a body is bytes")
    # By place, in the order of the fields: half the price, and pages are made of this.
    return StoredMessage(
        int(row["_id"]),
        ClientKey(row["sender"], row["device"], row["client_message_id"]),
        row["conversation"],
        tuple(get("participants", ())),
        row["body_kind"],
        body,
        int(row["sent_at_ms"]),
        get("digest", b""),
        attributes_of(get("attributes")),
        int(get("recalled_by", 0)),
        int(get("edited_by", 0)),
        get("traceparent", ""),
    )
