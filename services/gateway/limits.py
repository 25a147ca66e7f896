"""How often people may try what costs us, or helps a guesser. Each pod counts for itself."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from services.gateway.settings import LimitSettings
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.token_bucket import Rate, TokenBuckets

_MINUTE = 60.0
_HOUR = 3600.0


class Limits:
    """One per process."""

    def __init__(self, settings: LimitSettings, *, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._logins = TokenBuckets(Rate(settings.logins_per_minute, _MINUTE))
        self._attempts = TokenBuckets(Rate(settings.attempts_per_minute, _MINUTE))
        self._registrations = TokenBuckets(Rate(settings.registrations_per_hour, _HOUR))

    def log_in(self, request: Request, user_id: str | None = None) -> None:
        """Raises OVERLOADED when this address, or whoever tries this user, has to wait."""
        self._take(self._logins, _address(request))
        if user_id is not None:
            self._take(self._attempts, user_id)

    def register(self, request: Request) -> None:
        """Raises OVERLOADED when this address has to wait."""
        self._take(self._registrations, _address(request))

    def _take(self, buckets: TokenBuckets, key: str) -> None:
        wait = buckets.take(key, self._clock())
        if wait:
            raise WhimbrelError(ErrorCode.OVERLOADED, "too many attempts", retry_after_seconds=wait)


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host
