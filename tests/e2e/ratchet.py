"""X3DH and the Double Ratchet, as small as a test can have them, to play two real clients.

For tests alone, and reviewed by nobody: no constant time, no deniability, no header encryption,
nothing is stored. After "The X3DH Key Agreement Protocol" and "The Double Ratchet Algorithm"
(Marlinspike, Perrin; Signal, 2016), with X25519, HKDF-SHA256, HMAC-SHA256 and ChaCha20-Poly1305.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.gateway.domain.device_keys import Identity, Publication, SignedPrekey
from services.gateway.domain.key_proofs import check_publication
from tests.key_ring import KeyRing, public, read, shown

MAX_SKIPPED: Final = 100


def agree(own: X25519PrivateKey, other: bytes) -> bytes:
    return own.exchange(X25519PublicKey.from_public_bytes(other))


def derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@dataclass
class Ratchet:
    """One side of one session: a root chain that turns with each answer, and two chains of keys
    that turn with each message, so that a key serves once and is forgotten."""

    root: bytes
    about: bytes
    """Both identities; every message is bound to it."""
    own: X25519PrivateKey
    other: bytes = b""
    sending: bytes = b""
    receiving: bytes = b""
    sent: int = 0
    received: int = 0
    sent_before: int = 0
    skipped: dict[tuple[bytes, int], bytes] = field(default_factory=dict)

    def encrypt(self, text: bytes) -> bytes:
        """The next message of this side."""
        self.sending, key = _step(self.sending)
        head = {"key": shown(public(self.own)), "before": self.sent_before, "number": self.sent}
        self.sent += 1
        return _sealed(key, head, text, self.about)

    def decrypt(self, sealed: bytes) -> bytes:
        """What the other side said, also out of order. Raises InvalidTag or KeyError, and is as
        it was before, for what it did not say and for what was decrypted already."""
        before = {**vars(self), "skipped": dict(self.skipped)}
        try:
            return self._decrypt(sealed)
        except (InvalidTag, KeyError):
            vars(self).update(before)
            raise

    def _decrypt(self, sealed: bytes) -> bytes:
        head_bytes, ciphertext = sealed.split(b"\n", 1)
        head: dict[str, Any] = json.loads(head_bytes)
        ratchet_key, number = read(head["key"]), int(head["number"])
        if ratchet_key != self.other and (ratchet_key, number) not in self.skipped:
            self._skip_to(int(head["before"]))
            self._turn(ratchet_key)
        if (ratchet_key, number) in self.skipped or number < self.received:
            key = self.skipped.pop((ratchet_key, number))
        else:
            self._skip_to(number)
            self.receiving, key = _step(self.receiving)
            self.received += 1
        return ChaCha20Poly1305(key).decrypt(bytes(12), ciphertext, self.about + head_bytes)

    def turn_first(self, other: bytes, fresh: X25519PrivateKey) -> None:
        """The side that begins turns against the other's signed prekey."""
        self.other, self.own = other, fresh
        self.root, self.sending = _turned(self.root, agree(self.own, other))

    def _turn(self, other: bytes) -> None:
        self.other, self.sent_before, self.sent, self.received = other, self.sent, 0, 0
        self.root, self.receiving = _turned(self.root, agree(self.own, other))
        self.own = X25519PrivateKey.generate()
        self.root, self.sending = _turned(self.root, agree(self.own, other))

    def _skip_to(self, number: int) -> None:
        assert number - self.received <= MAX_SKIPPED
        while self.receiving and self.received < number:
            self.receiving, key = _step(self.receiving)
            self.skipped[self.other, self.received] = key
            self.received += 1


def begin(ring: KeyRing, user_id: str, bundle: dict[str, Any]) -> tuple[Ratchet, dict[str, Any]]:
    """A session with the device of this bundle, and what its first message has to say beside."""
    identity_key = verified(user_id, bundle)
    signed, one_time = bundle["signed_prekey"], bundle["one_time_prekey"]
    fresh = X25519PrivateKey.generate()
    signed_key = read(signed["public_key"])
    parts = [
        agree(ring.identity, signed_key),
        agree(fresh, identity_key),
        agree(fresh, signed_key),
    ]
    if one_time is not None:
        parts.append(agree(fresh, read(one_time["public_key"])))
    about = public(ring.identity) + identity_key
    ratchet = Ratchet(_root(parts), about, fresh)
    ratchet.turn_first(signed_key, X25519PrivateKey.generate())
    return ratchet, {
        "identity": shown(public(ring.identity)),
        "fresh": shown(public(fresh)),
        "signed_id": signed["key_id"],
        "one_time_id": None if one_time is None else one_time["key_id"],
    }


def answer(ring: KeyRing, said: dict[str, Any]) -> Ratchet:
    """The same session on the other side, from what the first message says beside."""
    identity, fresh = read(said["identity"]), read(said["fresh"])
    signed = ring.signed_prekey(said["signed_id"])
    parts = [agree(signed, identity), agree(ring.identity, fresh), agree(signed, fresh)]
    if said["one_time_id"] is not None:
        parts.append(agree(ring.prekey(said["one_time_id"]), fresh))
    return Ratchet(_root(parts), identity + public(ring.identity), signed)


def verified(user_id: str, bundle: dict[str, Any]) -> bytes:
    """The identity key of a bundle, whose signatures hold for this user and device."""
    signed = bundle["signed_prekey"]
    publication = Publication(
        Identity(*(read(bundle[name]) for name in _IDENTITY)),
        SignedPrekey(signed["key_id"], read(signed["public_key"]), read(signed["signature"])),
        (),
    )
    check_publication(user_id, bundle["device_id"], publication)
    return publication.identity.identity_key


_IDENTITY = ("signing_key", "identity_key", "identity_signature")


def _root(parts: list[bytes]) -> bytes:
    return derive(b"\xff" * 32 + b"".join(parts), bytes(32), b"test x3dh", 32)


def _turned(root: bytes, agreed: bytes) -> tuple[bytes, bytes]:
    both = derive(agreed, root, b"test ratchet", 64)
    return both[:32], both[32:]


def _step(chain: bytes) -> tuple[bytes, bytes]:
    return hmac.digest(chain, b"\x02", "sha256"), hmac.digest(chain, b"\x01", "sha256")


def _sealed(key: bytes, head: dict[str, Any], text: bytes, about: bytes) -> bytes:
    head_bytes = json.dumps(head).encode()
    # A key serves once, so the nonce may be the same for all.
    return head_bytes + b"\n" + ChaCha20Poly1305(key).encrypt(bytes(12), text, about + head_bytes)
