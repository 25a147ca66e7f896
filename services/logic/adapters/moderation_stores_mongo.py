"""`bans`, `risks`, `reports` and `flagged` in MongoDB.

bans     _id (user), until_ms (null: for ever; 0: lifted), reason, updated_ms   by the gateway
risks    _id (user), points, at_ms, version, changed_at
reports  _id (reporter/user), reporter, user, reason, message_id, at_ms
flagged  _id (sender/device/client_message_id), sender, …, conversation, words, at_ms
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bson import Int64
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.adapters.changes_mongo import CHANGED_AT, MongoChanges
from services.logic.adapters.mongo_bulk import insert_unordered
from services.logic.domain.risk import Risk
from services.logic.moderation_ports import Ban, Flagged, Report
from services.logic.social_ports import Changes
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database


class MongoBanList:
    """The port BanList: reads what the gateway writes."""

    def __init__(self, database: Database) -> None:
        self._bans = database["bans"]
        self._changes = MongoChanges(database, "bans", field="updated_ms", in_ms=True)

    async def prepare(self) -> None:
        """Create the index that finds changes."""
        await self._changes.prepare()

    async def find(self, keys: Collection[str]) -> Mapping[str, Ban]:
        if not keys:
            return {}
        with reading():
            cursor = self._bans.find({"_id": {"$in": list(keys)}}, {"until_ms": True})
            rows = await cursor.to_list(None)
        return {row["_id"]: Ban(row.get("until_ms")) for row in rows}

    async def changed(self, mark: object) -> Changes:
        return await self._changes.since(mark)

    def key_of(self, name: str) -> str:
        return name


class MongoRiskStore:
    """The port RiskStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._risks = database["risks"]
        self._changes = MongoChanges(database, "risks")

    async def prepare(self) -> None:
        """Create the index that finds changes."""
        await self._changes.prepare()

    async def find(self, keys: Collection[str]) -> Mapping[str, Risk]:
        if not keys:
            return {}
        with reading():
            rows = await self._risks.find({"_id": {"$in": list(keys)}}).to_list(None)
        return {row["_id"]: Risk(row["points"], int(row["at_ms"]), row["version"]) for row in rows}

    async def changed(self, mark: object) -> Changes:
        return await self._changes.since(mark)

    def key_of(self, name: str) -> str:
        return name

    async def replace(self, user: str, risk: Risk) -> bool:
        stored = {"points": risk.points, "at_ms": risk.at_ms, "version": risk.version + 1}
        with writing():
            try:
                done = await self._risks.update_one(
                    {"_id": user, "version": risk.version},
                    {"$set": stored, "$currentDate": {CHANGED_AT: True}},
                    upsert=risk.version == 0,
                )
            except DuplicateKeyError:  # it has a version already
                return False
        return done.matched_count > 0 or done.upserted_id is not None


class MongoCaseStore:
    """The port CaseStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reports = database["reports"]
        self._flagged = database["flagged"]

    async def prepare(self) -> None:
        """Create the indexes of the lists."""
        with writing():
            await self._reports.create_index([("at_ms", ASCENDING)])
            await self._flagged.create_index([("at_ms", ASCENDING)])

    async def report(self, report: Report, *, counts_after_ms: int) -> bool:
        stored = {**report._asdict(), "message_id": Int64(report.message_id)}
        with writing():
            before = await self._reports.find_one_and_update(
                {"_id": f"{report.reporter}/{report.user}"}, {"$set": stored}, upsert=True
            )
        return before is None or before["at_ms"] < counts_after_ms

    async def flag(self, flagged: Sequence[Flagged]) -> None:
        rows = [
            {
                "_id": f"{one.sender}/{one.device}/{one.client_message_id}",
                **one._asdict(),
                "words": list(one.words),
            }
            for one in flagged
        ]
        # What is refused was flagged before: the same send once more.
        await insert_unordered(self._database, "flagged", rows)

    async def reports(self, before_ms: int, limit: int) -> list[Report]:
        with reading():
            cursor = self._reports.find({"at_ms": {"$lt": before_ms}}, {"_id": False})
            rows = await cursor.sort("at_ms", DESCENDING).limit(limit).to_list(None)
        return [
            Report(
                row["reporter"],
                row["user"],
                row["reason"],
                int(row["message_id"]),
                int(row["at_ms"]),
            )
            for row in rows
        ]

    async def flags(self, before_ms: int, limit: int) -> list[Flagged]:
        with reading():
            cursor = self._flagged.find({"at_ms": {"$lt": before_ms}}, {"_id": False})
            rows = await cursor.sort("at_ms", DESCENDING).limit(limit).to_list(None)
        return [
            Flagged(
                row["sender"],
                row["device"],
                row["client_message_id"],
                row["conversation"],
                tuple(row["words"]),
                int(row["at_ms"]),
            )
            for row in rows
        ]
