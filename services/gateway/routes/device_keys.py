"""Public keys of devices, so that clients can encrypt end to end. The servers read no message."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from services.gateway.caller import Caller
from services.gateway.domain.device_keys import (
    Bundle,
    DeviceKeys,
    Identity,
    Prekey,
    Publication,
    SignedPrekey,
)
from services.gateway.fields import NAME_PATTERN, PathName, RequestBody
from services.gateway.parts import PartsDep

router = APIRouter(prefix="/v1", tags=["keys"])

_NO_STORE = "no-store"
"""A bundle that somebody has in a cache has a one-time prekey in it that served already."""


def _canonical(encoded: str) -> str:
    if _encoded(_decoded(encoded)) != encoded:
        raise ValueError("the last character has bits that mean nothing")
    return encoded


def _decoded(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{43}$"), AfterValidator(_canonical)]
"""32 bytes in base64url (RFC 4648, section 5) without padding."""
Signature = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{86}$"), AfterValidator(_canonical)
]
"""64 bytes in the same form."""
KeyId = Annotated[int, Field(ge=1, le=2**31 - 1)]
OptionalDevice = Annotated[str | None, Query(pattern=NAME_PATTERN)]


class SignedPrekeyBody(RequestBody):
    """A prekey that serves until the next one is published."""

    key_id: KeyId
    """Rises: a new key has a higher one."""
    public_key: Key
    signature: Signature


class PrekeyBody(RequestBody):
    """A prekey that is given out once."""

    key_id: KeyId
    """Above all that this identity has published; others are passed over."""
    public_key: Key


class KeyPublication(RequestBody):
    """The keys of a device as they are to be."""

    signing_key: Key
    identity_key: Key
    identity_signature: Signature
    signed_prekey: SignedPrekeyBody
    one_time_prekeys: Annotated[list[PrekeyBody], Field(max_length=1000, default_factory=list)]
    """Those to be added."""

    def publication(self) -> Publication:
        """As the domain has it."""
        signed = self.signed_prekey
        return Publication(
            Identity(
                _decoded(self.signing_key),
                _decoded(self.identity_key),
                _decoded(self.identity_signature),
            ),
            SignedPrekey(signed.key_id, _decoded(signed.public_key), _decoded(signed.signature)),
            tuple(Prekey(one.key_id, _decoded(one.public_key)) for one in self.one_time_prekeys),
        )


class KeyCountAnswer(BaseModel):
    """What is there of a device's keys."""

    device_id: str
    one_time_prekeys: int
    """How many nobody has got yet."""
    highest_prekey_id: int
    """Of all that this identity has published; new ones go above it."""
    signed_prekey_id: int
    changed_at_ms: int
    """Since when the identity is this one."""

    @classmethod
    def of(cls, keys: DeviceKeys) -> KeyCountAnswer:
        """As JSON has it."""
        return cls(
            device_id=keys.device_id,
            one_time_prekeys=len(keys.prekeys),
            highest_prekey_id=keys.highest_prekey_id,
            signed_prekey_id=keys.signed_prekey.key_id,
            changed_at_ms=keys.changed_at_ms,
        )


class IdentityAnswer(BaseModel):
    """Who a device is to others' clients. To be verified before it is used."""

    device_id: str
    signing_key: str
    identity_key: str
    identity_signature: str
    changed_at_ms: int
    """Since when the device has this identity: later than the last time, it is another one."""

    @classmethod
    def of(cls, bundle: Bundle) -> IdentityAnswer:
        """As JSON has it."""
        identity = bundle.identity
        return IdentityAnswer(
            device_id=bundle.device_id,
            signing_key=_encoded(identity.signing_key),
            identity_key=_encoded(identity.identity_key),
            identity_signature=_encoded(identity.signature),
            changed_at_ms=bundle.changed_at_ms,
        )


class BundleAnswer(IdentityAnswer):
    """What it takes to write to a device for the first time."""

    signed_prekey: SignedPrekeyBody
    one_time_prekey: PrekeyBody | None
    """Nobody else gets it; null when all are used up."""

    @classmethod
    def of(cls, bundle: Bundle) -> BundleAnswer:
        """As JSON has it."""
        signed, prekey = bundle.signed_prekey, bundle.prekey
        return BundleAnswer(
            **dict(IdentityAnswer.of(bundle)),
            signed_prekey=SignedPrekeyBody(
                key_id=signed.key_id,
                public_key=_encoded(signed.public_key),
                signature=_encoded(signed.signature),
            ),
            one_time_prekey=None
            if prekey is None
            else PrekeyBody(key_id=prekey.key_id, public_key=_encoded(prekey.public_key)),
        )


@router.put("/devices/{device_id}/keys")
async def publish_keys(
    device_id: PathName, body: KeyPublication, caller: Caller, parts: PartsDep
) -> KeyCountAnswer:
    """Publish the keys of a device of the caller, or renew them: a new signed prekey, more
    one-time prekeys. Another identity takes the place of the one before, with all its prekeys."""
    keys = await parts.keys.publish.publish(caller.user_id, device_id, body.publication())
    return KeyCountAnswer.of(keys)


@router.get("/devices/{device_id}/keys/count")
async def count_keys(device_id: PathName, caller: Caller, parts: PartsDep) -> KeyCountAnswer:
    """How many one-time prekeys of a device of the caller are left."""
    return KeyCountAnswer.of(await parts.keys.publish.count(caller.user_id, device_id))


@router.delete("/devices/{device_id}/keys", status_code=204)
async def remove_keys(device_id: PathName, caller: Caller, parts: PartsDep) -> Response:
    """Take the keys of a device of the caller back: nobody encrypts to it any more."""
    await parts.keys.publish.remove(caller.user_id, device_id)
    return Response(status_code=204)


@router.get("/users/{user_id}/keys")
async def fetch_keys(
    user_id: PathName,
    caller: Caller,
    parts: PartsDep,
    response: Response,
    device_id: OptionalDevice = None,
) -> list[BundleAnswer]:
    """A bundle for each device of a user that has published keys, or for the one that is named.
    Each has a one-time prekey, as long as there are any, which nobody else gets."""
    response.headers["cache-control"] = _NO_STORE
    bundles = await parts.keys.fetch.bundles(caller.user_id, user_id, device_id)
    return [BundleAnswer.of(bundle) for bundle in bundles]


@router.get("/users/{user_id}/keys/identities")
async def fetch_identities(
    user_id: PathName, caller: Caller, parts: PartsDep
) -> list[IdentityAnswer]:
    """Who each device of a user is that has published keys. Takes no one-time prekey, so it can be
    asked as often as sessions are to be compared with it."""
    known = await parts.keys.fetch.identities(caller.user_id, user_id)
    return [IdentityAnswer.of(bundle) for bundle in known]
