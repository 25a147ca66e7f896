"""The keys of tokens as an operator changes them: add, promote, retire, in two files.

    add       a new pair: verifies from now on, signs nothing
    promote   signs from now on; those that signed before verify on
    retire    verifies no more: for a key whose last token has expired

Nobody is logged out by any of them, when they are done in this order and with time in between.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.runtime.token_keys import MAX_KEYS, read_key_set

_STOPPED: Final = "whimbrel_stopped_signing"
"""Seconds since the Unix epoch; in the file of the private keys."""


@dataclass(frozen=True)
class KeyRow:
    """A key as `whimbrel keys list` shows it."""

    key_id: str
    signs: bool
    stopped_at: int | None
    """Seconds since the Unix epoch; None for one that signs, or never has."""


class KeyRing:
    """Two files. Raises KeyFileError when they cannot be used."""

    def __init__(self, signing_file: Path, keys_file: Path) -> None:
        self._signing_file = signing_file
        self._keys_file = keys_file
        self._rows: list[dict[str, Any]] = []
        if signing_file.exists():
            read_key_set(signing_file, private=True)
            self._rows = json.loads(signing_file.read_bytes())["keys"]

    def list(self) -> list[KeyRow]:
        """All, the one that signs first."""
        return [
            KeyRow(row["kid"], number == 0, row.get(_STOPPED))
            for number, row in enumerate(self._rows)
        ]

    def add(self) -> str:
        """A new pair; its id. The first one signs, as there is no other."""
        if len(self._rows) >= MAX_KEYS:
            raise invalid(f"there are {MAX_KEYS} keys already: retire one first")
        row = _new_pair()
        self._rows.append(row)
        self._write()
        return str(row["kid"])

    def promote(self, key_id: str, now: float) -> None:
        """Sign with it. `now`: seconds since the Unix epoch. Raises NOT_FOUND."""
        row = self._find(key_id)
        if row is self._rows[0]:
            return
        self._rows[0][_STOPPED] = int(now)
        row.pop(_STOPPED, None)
        self._rows.remove(row)
        self._rows.insert(0, row)
        self._write()

    def retire(self, key_id: str, now: float, *, after_seconds: float) -> None:
        """Forget it. Raises NOT_FOUND, and CONFLICT for the one that signs, or that signed less
        than `after_seconds` ago."""
        row = self._find(key_id)
        if row is self._rows[0]:
            raise WhimbrelError(
                ErrorCode.CONFLICT, f"the key {key_id} signs: promote another one first"
            )
        left = row.get(_STOPPED, 0) + after_seconds - now
        if left > 0:
            raise WhimbrelError(
                ErrorCode.CONFLICT,
                f"the key {key_id} signed until a moment ago: whoever has a token of it would be "
                f"refused; wait {left:.0f} s more, or say --after 0",
            )
        self._rows.remove(row)
        self._write()

    def _find(self, key_id: str) -> dict[str, Any]:
        for row in self._rows:
            if row["kid"] == key_id:
                return row
        raise WhimbrelError(ErrorCode.NOT_FOUND, f"there is no key {key_id!r}")

    def _write(self) -> None:
        # The public ones first: what is signed from now on can be verified.
        public = [{k: v for k, v in row.items() if k not in ("d", _STOPPED)} for row in self._rows]
        _replace(self._keys_file, public, 0o644)
        _replace(self._signing_file, self._rows, 0o600)


def _new_pair() -> dict[str, Any]:
    private = Ed25519PrivateKey.generate()
    secret = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": sha256(public).hexdigest()[:16],
        "x": _base64(public),
        "d": _base64(secret),
    }


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _replace(path: Path, rows: list[dict[str, Any]], mode: int) -> None:
    """In one step, so that nobody reads half of it."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as stream:
        json.dump({"keys": rows}, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
