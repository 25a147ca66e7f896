"""One connection to MongoDB's primary, held for several commands: all of them reach one server.

The driver's public calls take a connection for each command and choose the server anew, so a
primary that was replaced between two commands goes unnoticed. Who holds a connection notices: a
command on it fails. That is worth something because of what the server does: a member that rolls
back what it took as a primary closes the connections of its clients first. So on one connection
a later write never stands in a log that an earlier one was taken out of.

There is no public way to say so; this is done in the versions of PyMongo that `mongo_waits` was
compared with, and in no other.
"""

from __future__ import annotations

from typing import Any, Final

import pymongo
from pymongo import AsyncMongoClient

from whimbrel.runtime.mongo_waits import COMPARED_VERSIONS
from whimbrel.runtime.stores import Database, Document

PRIMARY: Final = "RSPrimary"

# The driver's connections and checkouts have no public types.
_Private = Any


class HeldConnection:
    """Run commands, then `release` it. After an error it is given up already."""

    def __init__(self, database: Database, checkout: _Private, connection: _Private) -> None:
        self._client = database.client
        self._name = database.name
        self._seconds = database.client.options.timeout
        self._checkout: _Private | None = checkout
        self._connection = connection

    async def command(self, command: Document) -> Document:
        """The server's reply, within the client's timeout. Raises what the driver raises."""
        if self._checkout is None:
            raise pymongo.errors.AutoReconnect("the connection was given up")
        try:
            with pymongo.timeout(self._seconds):
                reply: Document = await self._connection.command(
                    self._name, command, client=self._client
                )
        except BaseException as error:
            await self._end(error)
            raise
        return reply

    async def release(self) -> None:
        """Others may have the connection now."""
        await self._end(None)

    async def _end(self, error: BaseException | None) -> None:
        checkout, self._checkout = self._checkout, None
        if checkout is not None:
            # The driver learns here what became of its server.
            await checkout.__aexit__(type(error) if error else None, error, None)


async def hold_connection(database: Database) -> HeldConnection | None:
    """A connection for its caller alone; None where none can be held, or holding it proves
    nothing: another driver or version, a router of a sharded cluster, a server without a replica
    set. Raises what the driver raises when it finds no primary in time."""
    client: _Private = database.client
    if pymongo.version not in COMPARED_VERSIONS or not isinstance(client, AsyncMongoClient):
        return None
    with pymongo.timeout(client.options.timeout):
        checkout: _Private = await client._conn_for_writes(None, "insert")
        if checkout._server.description.server_type_name != PRIMARY:
            return None
        connection = await checkout.__aenter__()
    return HeldConnection(database, checkout, connection)
