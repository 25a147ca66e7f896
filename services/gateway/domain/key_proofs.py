"""Whether the keys that a device publishes are any good: points, signatures, ids.

What is signed begins with what it is for and names whose it is, so that nobody can show one
signature for another, or publish somebody else's keys as their own:

    identity_key    "whimbrel identity key 1" 00 USER 00 DEVICE 00 KEY
    signed_prekey   "whimbrel signed prekey 1" 00 USER 00 DEVICE 00 ID KEY
                    (ID: 4 bytes, the high one first)

Signatures are Ed25519 (RFC 8032), keys X25519 (RFC 7748). Pure. The client verifies them too: a
gateway that lies could leave them out, and could publish keys of its own making.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from services.gateway.domain.device_keys import Publication
from whimbrel.core.errors import invalid

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_PRIME: Final = 2**255 - 19
_ANY_SCALAR: Final = X25519PrivateKey.from_private_bytes(bytes(KEY_BYTES))


def signed_identity(user_id: str, device_id: str, identity_key: bytes) -> bytes:
    """The bytes that the signature of an identity key is of."""
    return _about("identity key", user_id, device_id) + identity_key


def signed_prekey_text(user_id: str, device_id: str, key_id: int, public_key: bytes) -> bytes:
    """The bytes that the signature of a signed prekey is of."""
    return _about("signed prekey", user_id, device_id) + key_id.to_bytes(4, "big") + public_key


def check_publication(user_id: str, device_id: str, publication: Publication) -> None:
    """Raises INVALID_ARGUMENT, with the name of the field, for the first thing that is wrong."""
    identity, signed, prekeys = publication
    if _is_low_order(_to_montgomery(identity.signing_key)):
        raise invalid("signing_key: a point of low order is nobody's key")
    for where, key in (
        ("identity_key", identity.identity_key),
        ("signed_prekey", signed.public_key),
        *((f"one_time_prekeys: {one.key_id}", one.public_key) for one in prekeys),
    ):
        if _is_low_order(key):
            raise invalid(f"{where}: a point of low order is nobody's key")
    if len({one.key_id for one in prekeys}) < len(prekeys):
        raise invalid("one_time_prekeys: an id is there twice")
    keys = [identity.identity_key, signed.public_key, *(one.public_key for one in prekeys)]
    if len(set(keys)) < len(keys):
        raise invalid("one_time_prekeys: a key is there twice; each has one use")
    signing_key = identity.signing_key
    text = signed_identity(user_id, device_id, identity.identity_key)
    _verify("identity_signature", signing_key, identity.signature, text)
    text = signed_prekey_text(user_id, device_id, signed.key_id, signed.public_key)
    _verify("signed_prekey: signature", signing_key, signed.signature, text)


def _about(what: str, user_id: str, device_id: str) -> bytes:
    # Names have no NUL in them, so that no two of these are the same bytes.
    return b"".join(f"{part}\0".encode() for part in (f"whimbrel {what} 1", user_id, device_id))


def _verify(where: str, key: bytes, signature: bytes, text: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except InvalidSignature:
        raise invalid(
            f"{where}: not by signing_key over these keys, this user and this device"
        ) from None


def _is_low_order(key: bytes) -> bool:
    """Whether every exchange with this X25519 key comes to the same: the product with a scalar,
    which is a multiple of 8, is zero (RFC 7748, section 6.1)."""
    try:
        _ANY_SCALAR.exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:
        return True
    return False


def _to_montgomery(ed25519_key: bytes) -> bytes:
    """The X25519 form of an Ed25519 key (RFC 7748, section 4.1), which has the same order: with
    one of low order a signature holds for texts that nobody signed."""
    y = (int.from_bytes(ed25519_key, "little") & (2**255 - 1)) % _PRIME
    u = (1 + y) * pow(1 - y, _PRIME - 2, _PRIME) % _PRIME
    return u.to_bytes(KEY_BYTES, "little")
