"""What a device publishes so that others can encrypt to it, and how that follows what was there.

The names are those of X3DH (Signal, 2016): an identity key, a signed prekey that is renewed now
and then, and one-time prekeys, each of which is given out once. The private halves never leave
the device. Pure; whether keys and signatures are any good is said in `key_proofs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from whimbrel.core.errors import ErrorCode, WhimbrelError


class Identity(NamedTuple):
    """Who a device is to others' clients. It stays while the program is installed."""

    signing_key: bytes
    """Ed25519, 32 bytes; signs the other two."""
    identity_key: bytes
    """X25519, 32 bytes."""
    signature: bytes
    """Of the identity key by the signing key, 64 bytes."""


class SignedPrekey(NamedTuple):
    """Serves many; renewed by its device, every week or so."""

    key_id: int
    public_key: bytes
    signature: bytes


class Prekey(NamedTuple):
    """A one-time prekey: serves one session."""

    key_id: int
    public_key: bytes


class Publication(NamedTuple):
    """What a device says at once."""

    identity: Identity
    signed_prekey: SignedPrekey
    prekeys: tuple[Prekey, ...]


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What is stored of one device."""

    user_id: str
    device_id: str
    identity: Identity
    signed_prekey: SignedPrekey
    prekeys: tuple[Prekey, ...]
    """Those that nobody has got, in the order in which they are given out."""
    highest_prekey_id: int
    """Of all that this identity has ever published; 0 when there were none."""
    changed_at_ms: int
    """Since when the identity is this one."""
    version: int = 0
    """Counts publications; giving a prekey out is none."""


class Renewal(NamedTuple):
    """A publication that follows what was there."""

    keys: DeviceKeys
    """As they shall be, with the version of what they follow; 0: nothing was there."""
    added: tuple[Prekey, ...]
    """Those of its prekeys that come behind the ones that are there."""
    keeps_prekeys: bool
    """Whether those that are there stay: only with the same identity."""


class Bundle(NamedTuple):
    """What somebody gets who wants to write to a device for the first time."""

    device_id: str
    identity: Identity
    signed_prekey: SignedPrekey
    prekey: Prekey | None
    """None when all are used up."""
    changed_at_ms: int


def follow(
    before: DeviceKeys | None,
    user_id: str,
    device_id: str,
    publication: Publication,
    *,
    max_prekeys: int,
    now_ms: int,
) -> Renewal:
    """How a publication follows what is there.

    Ids rise, so that what was given out once never comes back: of the same identity a prekey
    whose id is not above all before was published already, and is passed over. So a publication
    that is repeated changes nothing. Raises CONFLICT for a signed prekey that is older than the
    one that is there or has its id and another key, and for more prekeys than are kept.
    """
    identity, signed_prekey, prekeys = publication
    if before is None or before.identity != identity:
        added = tuple(sorted(prekeys))
        keys = DeviceKeys(
            user_id,
            device_id,
            identity,
            signed_prekey,
            added,
            max((one.key_id for one in added), default=0),
            now_ms,
            0 if before is None else before.version,
        )
        return Renewal(_bounded(keys, max_prekeys), added, keeps_prekeys=False)
    _need_newer(before.signed_prekey, signed_prekey)
    added = tuple(sorted(one for one in prekeys if one.key_id > before.highest_prekey_id))
    keys = replace(
        before,
        signed_prekey=signed_prekey,
        prekeys=before.prekeys + added,
        highest_prekey_id=max(before.highest_prekey_id, *(one.key_id for one in added), 0),
    )
    return Renewal(_bounded(keys, max_prekeys), added, keeps_prekeys=True)


def _need_newer(before: SignedPrekey, after: SignedPrekey) -> None:
    if after.key_id < before.key_id:
        raise WhimbrelError(
            ErrorCode.CONFLICT,
            f"signed_prekey: {before.key_id} is published already, and ids rise",
        )
    if after.key_id == before.key_id and after.public_key != before.public_key:
        raise WhimbrelError(
            ErrorCode.CONFLICT,
            f"signed_prekey: {after.key_id} is another key already: give the new one a higher id",
        )


def _bounded(keys: DeviceKeys, max_prekeys: int) -> DeviceKeys:
    if len(keys.prekeys) > max_prekeys:
        raise WhimbrelError(
            ErrorCode.CONFLICT,
            f"one_time_prekeys: at most {max_prekeys} are kept, this would make "
            f"{len(keys.prekeys)}: publish fewer",
        )
    return keys
