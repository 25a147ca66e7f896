"""`device_keys` in MongoDB: the public keys of one device are one document.

    device_keys   _id ("<user>/<device>"), user, device, signing_key, identity_key,
                  identity_signature, signed_prekey {id, key, signature}, prekeys [{id, key}],
                  highest_prekey_id, changed_at_ms, version

One document, so that a bundle is never made of two identities, and a prekey is taken by one
atomic step ($pop), whose outcome only one caller sees, on whatever gateway.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.gateway.domain.device_keys import (
    Bundle,
    DeviceKeys,
    Identity,
    Prekey,
    Renewal,
    SignedPrekey,
)
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION: Final = "device_keys"
_FIRST: Final = {"prekeys": {"$slice": 1}}
"""Of the prekeys only the first: a bundle has no more."""


class MongoDeviceKeyStore:
    """The port DeviceKeyStore."""

    def __init__(self, database: Database) -> None:
        self._keys = database[COLLECTION]

    async def prepare(self) -> None:
        """Nothing: every question is by _id. MongoDB makes the collection."""

    async def find(self, user_id: str, device_id: str) -> DeviceKeys | None:
        with reading():
            row = await self._keys.find_one({"_id": f"{user_id}/{device_id}"})
        return None if row is None else _keys(row)

    async def publish(self, renewal: Renewal) -> bool:
        keys = renewal.keys
        added = [_row(one) for one in renewal.added]
        follows: dict[str, Any] = {
            "_id": f"{keys.user_id}/{keys.device_id}",
            "version": keys.version,
        }
        change: dict[str, Any] = {"$set": _document(keys)}
        if renewal.keeps_prekeys:
            # Versions begin anew when keys were removed: prekeys must not come to another identity.
            follows["signing_key"] = keys.identity.signing_key
            follows["identity_key"] = keys.identity.identity_key
            change["$push"] = {"prekeys": {"$each": added}}
        else:
            change["$set"]["prekeys"] = added
        with writing():
            try:
                done = await self._keys.update_one(follows, change, upsert=keys.version == 0)
            except DuplicateKeyError:  # somebody else's was the first
                return False
        return done.matched_count > 0 or done.upserted_id is not None

    async def take(
        self, user_id: str, devices: Collection[str], *, with_prekeys: bool
    ) -> list[Bundle]:
        ids = [f"{user_id}/{device}" for device in devices]
        with reading():
            cursor = self._keys.find({"_id": {"$in": ids}}, _FIRST).sort("_id", ASCENDING)
            rows = await cursor.to_list(None)
        if not with_prekeys:
            return [_bundle({**row, "prekeys": []}) for row in rows]
        taken = [await self._pop(row["_id"]) if row["prekeys"] else row for row in rows]
        return [_bundle(row) for row in taken if row is not None]

    async def _pop(self, key: str) -> Document | None:
        """As it was before its first prekey left it; None when its device is gone."""
        with writing():
            return await self._keys.find_one_and_update(
                {"_id": key},
                {"$pop": {"prekeys": -1}},
                _FIRST,
                return_document=ReturnDocument.BEFORE,
            )

    async def remove(self, user_id: str, device_id: str) -> bool:
        with writing():
            done = await self._keys.delete_one({"_id": f"{user_id}/{device_id}"})
        return bool(done.deleted_count)


def _document(keys: DeviceKeys) -> dict[str, Any]:
    identity, signed = keys.identity, keys.signed_prekey
    return {
        "user": keys.user_id,
        "device": keys.device_id,
        "signing_key": identity.signing_key,
        "identity_key": identity.identity_key,
        "identity_signature": identity.signature,
        "signed_prekey": {
            "id": signed.key_id,
            "key": signed.public_key,
            "signature": signed.signature,
        },
        "highest_prekey_id": keys.highest_prekey_id,
        "changed_at_ms": keys.changed_at_ms,
        "version": keys.version + 1,
    }


def _row(prekey: Prekey) -> dict[str, Any]:
    return {"id": prekey.key_id, "key": prekey.public_key}


def _prekeys(row: Mapping[str, Any]) -> tuple[Prekey, ...]:
    return tuple(Prekey(one["id"], bytes(one["key"])) for one in row["prekeys"])


def _identity(row: Mapping[str, Any]) -> Identity:
    return Identity(
        bytes(row["signing_key"]), bytes(row["identity_key"]), bytes(row["identity_signature"])
    )


def _signed(row: Mapping[str, Any]) -> SignedPrekey:
    signed = row["signed_prekey"]
    return SignedPrekey(signed["id"], bytes(signed["key"]), bytes(signed["signature"]))


def _keys(row: Mapping[str, Any]) -> DeviceKeys:
    return DeviceKeys(
        row["user"],
        row["device"],
        _identity(row),
        _signed(row),
        _prekeys(row),
        row["highest_prekey_id"],
        row["changed_at_ms"],
        row["version"],
    )


def _bundle(row: Mapping[str, Any]) -> Bundle:
    return Bundle(
        row["device"],
        _identity(row),
        _signed(row),
        next(iter(_prekeys(row)), None),
        row["changed_at_ms"],
    )
