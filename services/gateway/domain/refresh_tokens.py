"""Refresh tokens: opaque to clients, known to be ours without a look into a store.

    <login id>.<random>.<tag>      tag = HMAC-SHA256 of the rest, under a key of its own

The tag tells a token that was given out once, and is replayed, from one that was made up: the
first revokes its login, the second nothing. The store keeps only a hash. Pure: randomness comes
in as bytes.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import Final

from whimbrel.core.errors import ErrorCode, WhimbrelError

RANDOM_BYTES: Final = 16
_KEY_OF: Final = b"whimbrel refresh tokens 1"
_FORM: Final = re.compile(r"([0-9a-f]{32})\.[0-9a-f]{32}\.([0-9a-f]{64})\Z")


class RefreshTokens:
    """Makes and recognises them; both with the secret of the gateway pods."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _KEY_OF, "sha256")

    def make(self, login_id: str, random: bytes) -> str:
        """A token of this login (32 hex digits); `random`: RANDOM_BYTES of them."""
        rest = f"{login_id}.{random.hex()}"
        return f"{rest}.{self._tag(rest)}"

    def login_of(self, token: str) -> str:
        """The login that this token was made for; raises UNAUTHENTICATED for one that is not
        ours."""
        form = _FORM.match(token)
        if form is None or not hmac.compare_digest(form[2], self._tag(token.rpartition(".")[0])):
            raise WhimbrelError(ErrorCode.UNAUTHENTICATED, "the refresh token is not valid here")
        return form[1]

    def _tag(self, rest: str) -> str:
        return hmac.new(self._key, rest.encode(), sha256).hexdigest()


def hash_of(token: str) -> str:
    """What is stored of a token: it has 128 random bits, so a plain hash is enough."""
    return sha256(token.encode()).hexdigest()
