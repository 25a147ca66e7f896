"""Take back what was given out: tokens that no longer count although they have not expired.

Written to MongoDB, where every pod that admits tokens looks twice a second. It counts as done when
it is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from services.gateway.settings import TokenSettings
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.revocations import Revocation, RevocationTable
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.revocation_store import RevocationStore
from whimbrel.runtime.tokens import Claims

_log = get_logger(__name__)

_POLL_SECONDS: Final = 0.5
_LEEWAY_SECONDS: Final = 60.0
"""Of clocks: an access token may hold for so much longer elsewhere."""


class Revoke:
    """Revokes, and knows what was revoked by others; `run` is its task. Raises UNAVAILABLE."""

    def __init__(
        self,
        store: RevocationStore,
        settings: TokenSettings,
        *,
        wall_clock: Callable[[], float],
    ) -> None:
        """`wall_clock`: seconds since the Unix epoch."""
        self._store = store
        self._settings = settings
        self._wall_clock = wall_clock
        self._revoked = RevocationTable()
        self._mark_ms = 0

    async def account(self, user_id: str, *, but_login_id: str = "") -> None:
        """All tokens of a user that were issued until now, those of one login excepted if it is
        named. End the logins first: a token that is issued in between would count."""
        now = self._wall_clock()
        until = now + self._settings.remembered_seconds
        await self._add([Revocation(user_id, now, until, but_login_id=but_login_id)])

    async def device(self, user_id: str, device_id: str, login_ids: Iterable[str]) -> None:
        """What a device does with any token issued until now, and all tokens of these logins of
        it, whoever shows them."""
        now = self._wall_clock()
        until = now + self._settings.remembered_seconds
        device = Revocation(user_id, now, until, device_id=device_id)
        await self._add([device, *(self._login(user_id, one, now) for one in login_ids)])

    async def login(self, user_id: str, login_id: str) -> None:
        """All tokens of a login, also those that are issued in this moment."""
        await self._add([self._login(user_id, login_id, self._wall_clock())])

    def check(self, claims: Claims) -> None:
        """Raises UNAUTHENTICATED when the token was revoked."""
        if self._revoked.refuses(claims.credential):
            raise WhimbrelError(ErrorCode.UNAUTHENTICATED, "this token was revoked: log in again")

    async def run(self) -> None:
        """Hear of what others revoke, until cancelled."""
        failures = 0
        while True:
            try:
                page = await self._store.since(self._mark_ms)
            except WhimbrelError as error:
                if failures == 0:
                    _log.warning("revocations_not_followed", code=error.code.name)
                failures += 1
                await asyncio.sleep(_POLL_SECONDS)
                continue
            failures = 0
            now = self._wall_clock()
            for one in page.revocations:
                self._revoked.add(one, now)
            self._mark_ms = page.mark_ms
            if not page.has_more:
                await asyncio.sleep(_POLL_SECONDS)

    async def _add(self, revocations: list[Revocation]) -> None:
        await self._store.add(revocations)
        now = self._wall_clock()
        for one in revocations:
            self._revoked.add(one, now)

    def _login(self, user_id: str, login_id: str, now: float) -> Revocation:
        until = now + self._settings.access_seconds + _LEEWAY_SECONDS
        return Revocation(user_id, now, until, login_id=login_id)
