"""Tokens of an identity provider (OpenID Connect), verified with the keys that it publishes.

The keys are fetched over HTTP in a thread and kept for five minutes; an unknown key id fetches
them again, at most once in half a minute.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import jwt

from services.gateway.domain.accounts import IDENTITY_PREFIX
from services.gateway.settings import IdentityProviderSettings
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

_MAX_NAME: Final = 64
_THREADS: Final = 2


class Identity(NamedTuple):
    """Whom a provider has named. The user id is made of issuer and subject, the same for ever."""

    user_id: str
    name: str


class JwksIdentityProvider:
    """One provider. `close` when it is not needed any more."""

    def __init__(self, settings: IdentityProviderSettings) -> None:
        self._settings = settings
        self._keys = jwt.PyJWKClient(settings.jwks_url, timeout=settings.timeout_seconds)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jwks")
        self._waiting = asyncio.Semaphore(_THREADS)

    async def verify(self, token: str) -> Identity:
        """Whom the token names. Raises UNAUTHENTICATED, TOKEN_EXPIRED, or UNAVAILABLE when the
        keys cannot be fetched."""
        try:
            async with asyncio.timeout(2 * self._settings.timeout_seconds), self._waiting:
                claims = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._decode, token
                )
        except (TimeoutError, jwt.PyJWKClientConnectionError):
            raise unavailable("the identity provider's keys cannot be fetched") from None
        except jwt.ExpiredSignatureError:
            raise WhimbrelError(ErrorCode.TOKEN_EXPIRED, "the token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise _not_valid() from None
        subject, name = claims.get("sub"), claims.get("name")
        if not isinstance(subject, str) or not subject:
            raise _not_valid()
        named = f"{self._settings.issuer}\x00{subject}".encode("utf-8", "surrogatepass")
        user_id = IDENTITY_PREFIX + blake2b(named, digest_size=16).hexdigest()
        return Identity(user_id, _shown(name) or user_id)

    def close(self) -> None:
        """Take no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _decode(self, token: str) -> dict[str, Any]:
        key = self._keys.get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(self._settings.algorithms),
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            options={"require": ["sub", "exp", "iss", "aud"]},
        )
        return claims


def _shown(name: object) -> str:
    """The name as a profile takes it; empty when the provider has said none that can be shown."""
    if not isinstance(name, str):
        return ""
    return name.encode("utf-8", "ignore").decode()[:_MAX_NAME].strip()


def _not_valid() -> WhimbrelError:
    return WhimbrelError(ErrorCode.UNAUTHENTICATED, "the provider's token is not valid here")
