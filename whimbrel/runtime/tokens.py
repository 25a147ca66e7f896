"""Tokens: JSON Web Tokens whose `sub` is the user id.

The gateway signs them, and so do tests and the `whimbrel` command; everybody else only verifies.
With which keys is in `token_keys`. A token or a key is never logged and never part of an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import jwt

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.names import UserId, check_name
from whimbrel.core.revocations import Credential
from whimbrel.runtime.token_keys import LOCAL, Key, secret_key

_MOST_HEADERS: Final = 64
"""Of tokens that were good: a signer writes one."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    user_id: UserId
    expires_at: float
    """Seconds since the Unix epoch."""
    scopes: frozenset[str] = frozenset()
    """What the bearer may do beyond what every user may ("admin")."""
    login_id: str = ""
    """The login that the token came from; empty when there was none."""
    issued_at: float = 0.0
    """Seconds since the Unix epoch; 0 when the token does not say."""

    @property
    def credential(self) -> Credential:
        """What of it revocations look at."""
        return Credential(self.user_id, self.login_id, self.issued_at)


def sign_token(
    key: bytes | Key,
    user_id: str,
    ttl_seconds: float,
    *,
    now: float,
    scope: str = "",
    login_id: str = "",
) -> str:
    """A token for `user_id` that holds for `ttl_seconds` from `now` (seconds since the epoch).

    `key`: bytes are those of a secret; ValueError when it is too short. `scope`: words separated
    by spaces (RFC 8693); `login_id`: the login that it comes from.
    """
    claims: dict[str, str | float] = {
        "sub": check_name(user_id, "user_id"),
        # To the millisecond: a token of a login that comes right after a revocation is newer.
        "iat": round(now, 3),
        "exp": int(now + ttl_seconds),
    }
    if scope:
        claims["scope"] = scope
    if login_id:
        claims["sid"] = login_id
    key = secret_key(key) if isinstance(key, bytes) else key
    return jwt.encode(claims, key.material, algorithm=key.algorithm, headers={"kid": key.key_id})


class TokenVerifier:
    """Verifies tokens. About 25 µs each by a secret, 130 µs by a public key."""

    def __init__(
        self,
        keys: bytes | Callable[[str], Key | None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keys` finds a key by its id, or is the one secret. `clock` gives seconds since the
        Unix epoch. ValueError for a short secret."""
        self._find = {LOCAL: secret_key(keys)}.get if isinstance(keys, bytes) else keys
        self._clock = clock
        self._key_ids: dict[str, str] = {}
        """By the first part of a token, as it came: what names the key is the same in all that a
        key signs, and is read once."""

    def verify(self, token: str) -> Claims:
        """Who the token says the bearer is; raises UNAUTHENTICATED or TOKEN_EXPIRED."""
        try:
            header = token.partition(".")[0]
            key_id = self._key_ids.get(header)
            if key_id is None:
                key_id = jwt.get_unverified_header(token).get("kid", LOCAL)
            key = self._find(key_id) if isinstance(key_id, str) else None
            if key is None:
                raise _unauthenticated("the token is signed by a key that is not trusted here")
            claims = jwt.decode(
                token,
                key.material,
                # The key's own and no other: a public key is no secret to check an HS256 with.
                algorithms=[key.algorithm],
                # `exp` is checked below, by our clock and with our own code.
                options={"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False},
            )
            expires_at = float(claims["exp"])
            issued_at = float(claims.get("iat", 0))
            user_id = UserId(check_name(claims["sub"], "sub"))
            scope, login_id = claims.get("scope", ""), claims.get("sid", "")
            if not (isinstance(scope, str) and isinstance(login_id, str)):
                raise _unauthenticated("scope and sid must be strings")
            if header not in self._key_ids and len(self._key_ids) < _MOST_HEADERS:
                self._key_ids[header] = key_id
        except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
            raise _unauthenticated("the token is missing, malformed or not signed here") from None
        except WhimbrelError as error:
            raise _unauthenticated(error.detail) from None
        if expires_at <= self._clock():
            raise WhimbrelError(ErrorCode.TOKEN_EXPIRED, "the token has expired")
        return Claims(user_id, expires_at, frozenset(scope.split()), login_id, issued_at)


def _unauthenticated(detail: str) -> WhimbrelError:
    return WhimbrelError(ErrorCode.UNAUTHENTICATED, detail)
