"""The private side of a device's keys, from a seed: what a client keeps, and what it publishes."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.gateway.domain.device_keys import Identity, Prekey, Publication, SignedPrekey
from services.gateway.domain.key_proofs import signed_identity, signed_prekey_text


class KeyRing:
    """All keys of one installed program. The same seed gives the same keys."""

    def __init__(self, user_id: str, device_id: str, seed: str = "1") -> None:
        self.user_id = user_id
        self.device_id = device_id
        self._seed = f"{user_id}/{device_id}/{seed}"
        self.signing = Ed25519PrivateKey.from_private_bytes(self._secret("signing"))
        self.identity = self._agreement("identity")

    def signed_prekey(self, key_id: int) -> X25519PrivateKey:
        """The private half of a signed prekey."""
        return self._agreement(f"signed {key_id}")

    def prekey(self, key_id: int) -> X25519PrivateKey:
        """The private half of a one-time prekey."""
        return self._agreement(f"one-time {key_id}")

    def publication(self, signed_id: int = 1, prekeys: Iterable[int] = ()) -> Publication:
        """What it publishes."""
        identity_key = public(self.identity)
        signed = public(self.signed_prekey(signed_id))
        owner = (self.user_id, self.device_id)
        return Publication(
            Identity(
                self.signing.public_key().public_bytes_raw(),
                identity_key,
                self.signing.sign(signed_identity(*owner, identity_key)),
            ),
            SignedPrekey(
                signed_id, signed, self.signing.sign(signed_prekey_text(*owner, signed_id, signed))
            ),
            tuple(Prekey(key_id, public(self.prekey(key_id))) for key_id in prekeys),
        )

    def body(self, signed_id: int = 1, prekeys: Iterable[int] = ()) -> dict[str, Any]:
        """The same as JSON."""
        identity, signed, one_time = self.publication(signed_id, prekeys)
        return {
            "signing_key": shown(identity.signing_key),
            "identity_key": shown(identity.identity_key),
            "identity_signature": shown(identity.signature),
            "signed_prekey": {
                "key_id": signed.key_id,
                "public_key": shown(signed.public_key),
                "signature": shown(signed.signature),
            },
            "one_time_prekeys": [
                {"key_id": one.key_id, "public_key": shown(one.public_key)} for one in one_time
            ],
        }

    def _agreement(self, what: str) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self._secret(what))

    def _secret(self, what: str) -> bytes:
        return sha256(f"{self._seed}/{what}".encode()).digest()


def public(key: X25519PrivateKey) -> bytes:
    """The public half, 32 bytes."""
    return key.public_key().public_bytes_raw()


def shown(value: bytes) -> str:
    """As JSON has it: base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def read(encoded: str) -> bytes:
    """The inverse."""
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
