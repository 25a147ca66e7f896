"""Which keys tokens are signed with, and verified by: files that change while we run.

Two kinds. A secret (HS256), known to everybody who verifies, whose key id is "local". And pairs of
Ed25519 in two files, each a JSON Web Key Set (RFC 7517, 8037): one with the private keys, for who
signs, and one with the public ones, for everybody. The first private key signs; all public ones
verify. Each key has one algorithm: a token cannot choose another (RFC 8725).

Files are looked at when somebody asks, once a second at most, and at once for a key id that is not
known. What cannot be used changes nothing. Keys are never logged.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import jwt

from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

LOCAL: Final = "local"
"""The key id of the secret; also of a token that names none."""
MIN_SECRET_BYTES: Final = 32
"""HS256 is as strong as its secret; RFC 7518 asks for at least the hash's size."""
MAX_KEYS: Final = 16
_LOOK_SECONDS: Final = 1.0
_LOOK_AGAIN_SECONDS: Final = 0.2
"""For a key id that is not known: nobody can make us read all the time."""

Algorithm = Literal["HS256", "EdDSA"]


class KeyFileError(ValueError):
    """What the file holds cannot be used; the text names it, and never the keys."""


@dataclass(frozen=True)
class Key:
    """One key, to sign or to verify with. `material`: bytes of a secret, else what PyJWT takes."""

    key_id: str
    algorithm: Algorithm
    material: Any = field(repr=False)


def secret_key(secret: bytes) -> Key:
    """The key that a secret is. Raises KeyFileError when it is too short."""
    if len(secret) < MIN_SECRET_BYTES:
        raise KeyFileError(f"a secret must have at least {MIN_SECRET_BYTES} bytes")
    return Key(LOCAL, "HS256", secret)


def read_secret(path: Path) -> bytes:
    """The secret in a file, without white space around it. Raises KeyFileError when it is too
    short, OSError when there is none."""
    secret = path.read_bytes().strip()
    secret_key(secret)
    return secret


def read_key_set(path: Path, *, private: bool) -> list[Key]:
    """The keys of a file, in their order. Raises KeyFileError."""
    try:
        rows = json.loads(path.read_bytes())["keys"]
        keys = [_key(row, path, private=private) for row in rows]
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, KeyFileError):
            raise
        raise KeyFileError(f"{path} holds no JSON Web Key Set") from None
    ids = [key.key_id for key in keys]
    if not keys or len(keys) > MAX_KEYS or len(set(ids)) != len(ids):
        raise KeyFileError(f"{path} must hold 1 to {MAX_KEYS} keys with different ids")
    return keys


def signing_key(path: Path) -> Key:
    """The one that signs, of a file of private keys. Raises KeyFileError."""
    return read_key_set(path, private=True)[0]


def key_of(path: Path) -> Key:
    """What a file signs with, whichever kind it holds: a secret, or private keys. Raises
    KeyFileError, OSError."""
    if path.read_bytes().lstrip().startswith(b"{"):
        return signing_key(path)
    return secret_key(read_secret(path))


class KeyFiles:
    """The keys of some files, as they are now. Built of `read`, which reads all of them."""

    def __init__(
        self,
        paths: list[Path],
        read: Callable[[], Mapping[str, Key]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads them; raises KeyFileError or OSError when they cannot be used."""
        self._paths = paths
        self._read = read
        self._clock = clock
        self._stamp = self._look()
        self._looked_at = clock()
        self._looked_for_unknown_at = -math.inf
        self._keys = read()

    def find(self, key_id: str) -> Key | None:
        """The key of this id; None when there is none."""
        self._look_now_and_then()
        key = self._keys.get(key_id)
        now = self._clock()
        if key is None and now - self._looked_for_unknown_at >= _LOOK_AGAIN_SECONDS:
            self._looked_for_unknown_at = now
            self._renew()
            key = self._keys.get(key_id)
        return key

    def first(self) -> Key:
        """The one that signs."""
        self._look_now_and_then()
        return next(iter(self._keys.values()))

    def _look_now_and_then(self) -> None:
        now = self._clock()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._renew()

    def _renew(self) -> None:
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            # Before they are read: what changes meanwhile is seen at the next look.
            self._stamp = stamp
            self._keys = self._read()
        except (OSError, KeyFileError) as error:
            _log.warning("token_keys_not_taken", reason=str(error))
        else:
            _log.info("token_keys_changed", keys=sorted(self._keys))

    def _look(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in self._paths]
        return [(one.st_mtime_ns, one.st_ino, one.st_size) for one in found]


def _key(row: Any, path: Path, *, private: bool) -> Key:
    if row.get("kty") != "OKP" or row.get("crv") != "Ed25519":
        raise KeyFileError(f"{path} holds a key that is not of Ed25519")
    key_id = row.get("kid")
    if not isinstance(key_id, str) or not key_id or key_id == LOCAL:
        raise KeyFileError(f'{path} holds a key without an id of its own ("kid")')
    if ("d" in row) is not private:
        kind = "only public keys belong there" if "d" in row else "only private keys belong there"
        raise KeyFileError(f"{path} holds the key {key_id}: {kind}")
    try:
        material = jwt.PyJWK.from_dict(row, algorithm="EdDSA").key
    except jwt.PyJWTError:
        raise KeyFileError(f"{path} holds the key {key_id}, which cannot be used") from None
    return Key(key_id, "EdDSA", material)
