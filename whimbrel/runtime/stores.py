"""Opens MongoDB with the options that the rules ask for.

This is the only file that knows which MongoDB driver is in use. Opening needs no server:
services start in any order, and the first operation finds out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.mongo_waits import shorten_waits
from whimbrel.runtime.settings import MongoSettings

_log = get_logger(__name__)

_CLOSE_SECONDS = 2.0

Document = dict[str, Any]
Database = AsyncDatabase[Document]


@asynccontextmanager
async def open_mongo(settings: MongoSettings) -> AsyncIterator[Database]:
    """The database: majority and journaled writes, majority reads from the primary, and a
    deadline on every operation (a frozen primary hangs a write without bound otherwise).

    With the driver "motor" it is motor's object, which has the same collection calls. Where
    the two differ (aggregate and list_indexes return cursors without an await in motor,
    sessions), do without.
    """
    options: dict[str, Any] = {
        "w": "majority",
        "journal": True,
        "readConcernLevel": "majority",
        "readPreference": "primary",
        "timeoutMS": round(settings.timeout_seconds * 1000),
        "appname": "whimbrel",
        "tz_aware": True,
    }
    if settings.driver == "motor":
        from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415 - only who wants it

        motor: AsyncIOMotorClient[Document] = AsyncIOMotorClient(settings.url, **options)
        try:
            yield cast(Database, motor[settings.database])
        finally:
            motor.close()
        return
    shorten_waits()
    client: AsyncMongoClient[Document] = AsyncMongoClient(settings.url, **options)
    try:
        yield client[settings.database]
    finally:
        # Bounded: calls that were cancelled on the way down may have left its locks taken.
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await client.close()
        except TimeoutError:
            _log.warning("mongo_client_not_closed", seconds=_CLOSE_SECONDS)
