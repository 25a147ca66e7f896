"""Tokens: JSON Web Tokens with HS256, whose `sub` is the user id.

The gateway signs them, and so do tests and the `whimbrel` command; everybody else only verifies.
A token or a secret is never logged and never part of an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.names import UserId, check_name

KEY_ID: Final = "local"
MIN_SECRET_BYTES: Final = 32
"""HS256 is as strong as its secret; RFC 7518 asks for at least the hash's size."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    user_id: UserId
    expires_at: float
    """Seconds since the Unix epoch."""
    scopes: frozenset[str] = frozenset()
    """What the bearer may do beyond what every user may ("admin")."""
    login_id: str = ""
    """The log-in that the token came from; empty when there was none."""


def read_secret(path: Path) -> bytes:
    """The secret in a file, without white space around it. ValueError when it is too short."""
    return _checked(path.read_bytes().strip())


def sign_token(
    secret: bytes,
    user_id: str,
    ttl_seconds: float,
    *,
    now: float,
    scope: str = "",
    login_id: str = "",
) -> str:
    """A token for `user_id` that holds for `ttl_seconds` from `now` (seconds since the epoch).

    `scope`: words separated by spaces (RFC 8693); `login_id`: the log-in that it comes from.
    """
    claims: dict[str, str | int] = {
        "sub": check_name(user_id, "user_id"),
        "iat": int(now),
        "exp": int(now + ttl_seconds),
    }
    if scope:
        claims["scope"] = scope
    if login_id:
        claims["sid"] = login_id
    return jwt.encode(claims, _checked(secret), algorithm="HS256", headers={"kid": KEY_ID})


class TokenVerifier:
    """Verifies tokens of one secret. About 25 µs each, no I/O."""

    def __init__(self, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since the Unix epoch. ValueError for a short secret."""
        self._secret = _checked(secret)
        self._clock = clock

    def verify(self, token: str) -> Claims:
        """Who the token says the bearer is; raises UNAUTHENTICATED or TOKEN_EXPIRED."""
        try:
            decoded = jwt.decode_complete(
                token,
                self._secret,
                algorithms=["HS256"],
                # `exp` is checked below, by our clock and with our own code.
                options={"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False},
            )
            claims = decoded["payload"]
            expires_at = float(claims["exp"])
            if decoded["header"].get("kid", KEY_ID) != KEY_ID:
                raise _unauthenticated("the token is signed by a key that is not trusted here")
            user_id = UserId(check_name(claims["sub"], "sub"))
            scope, login_id = claims.get("scope", ""), claims.get("sid", "")
            if not (isinstance(scope, str) and isinstance(login_id, str)):
                raise _unauthenticated("scope and sid must be strings")
        except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
            raise _unauthenticated("the token is missing, malformed or not signed here") from None
        except WhimbrelError as error:
            raise _unauthenticated(error.detail) from None
        if expires_at <= self._clock():
            raise WhimbrelError(ErrorCode.TOKEN_EXPIRED, "the token has expired")
        return Claims(user_id, expires_at, frozenset(scope.split()), login_id)


def _unauthenticated(detail: str) -> WhimbrelError:
    return WhimbrelError(ErrorCode.UNAUTHENTICATED, detail)


def _checked(secret: bytes) -> bytes:
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"a secret must have at least {MIN_SECRET_BYTES} bytes")
    return secret
