"""Both inserts of a commit over one connection to the primary, with one majority.

The messages wait for nobody (w: 1), the entries for the majority and its journals. The log of a
replica set has one order: whoever has the entries has what stood before them, and a majority that
has them keeps it. That the messages stand before them is certain while both commands reach one
server that did not roll back in between, which is what the held connection is for; both replies
name the term in which their primary was elected, and that is compared besides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pymongo import WriteConcern

from services.logic.adapters import message_store_mongo, timeline_store_mongo
from services.logic.adapters.mongo_bulk import refused_of, write_command
from services.logic.domain.model import StoredMessage, TimelineEntry
from whimbrel.core.errors import unavailable
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.mongo_errors import writing
from whimbrel.runtime.mongo_held import HeldConnection, hold_connection
from whimbrel.runtime.stores import Database, Document

log = get_logger(__name__)

AT_THE_PRIMARY = WriteConcern(w=1)


class MongoPairedInserts:
    """The port PairedInserts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._proves = True
        """False once a server did not name its terms: others than MongoDB's own may not."""

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[MongoInsertPair | None]:
        if not self._proves:
            yield None
            return
        with writing():
            connection = await hold_connection(self._database)
        if connection is None:
            yield None
            return
        pair = MongoInsertPair(connection, self._database.write_concern)
        try:
            yield pair
        finally:
            await connection.release()
            if pair.has_no_terms:
                self._proves = False
                log.warning("commits_not_paired", why="the server does not name its terms")


class MongoInsertPair:
    """The port InsertPair."""

    def __init__(self, connection: HeldConnection, majority: WriteConcern) -> None:
        self._connection = connection
        self._majority = majority
        self._term: tuple[Any, Any] | None = None
        self.has_no_terms = False

    async def insert_messages(self, messages: Sequence[StoredMessage]) -> list[int]:
        refused: list[int] = []
        for start, part in message_store_mongo.parts_of(messages):
            documents = [message_store_mongo.document_of(message) for message in part]
            indexes = await self._insert(message_store_mongo.COLLECTION, documents, AT_THE_PRIMARY)
            refused += [start + index for index in indexes]
        return refused

    async def insert_entries(self, entries: Sequence[TimelineEntry]) -> list[int]:
        documents = [timeline_store_mongo.document_of(entry) for entry in entries]
        return await self._insert(timeline_store_mongo.COLLECTION, documents, self._majority)

    async def _insert(
        self, collection: str, documents: Sequence[Document], concern: WriteConcern
    ) -> list[int]:
        if not documents:  # the server would call that an error
            return []
        with writing():
            reply = await self._connection.command(
                write_command("insert", collection, "documents", documents, concern)
            )
        refused = refused_of(reply)
        self._compare(reply)
        return refused

    def _compare(self, reply: Mapping[str, Any]) -> None:
        """Raises when the reply does not come from the primary of the replies before it."""
        term = (reply.get("electionId"), reply.get("opTime", {}).get("t"))
        if None in term:
            self.has_no_terms = True
            raise unavailable("MongoDB does not name its primary's term", outcome_unknown=True)
        if self._term is not None and term != self._term:
            raise unavailable("MongoDB has another primary", outcome_unknown=True)
        self._term = term
