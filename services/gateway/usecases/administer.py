"""What an administrator does to accounts. Each act stands in the audit log before it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.audit_log_mongo import MongoAuditLog
from services.gateway.adapters.ban_store_mongo import MongoBanStore
from services.gateway.domain.accounts import FOR_EVER_MS, Ban, User
from services.gateway.usecases.log_in import LogIn
from services.gateway.usecases.register import Register
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid


class Administer:
    """The acts. `admin` is the user id that the token names."""

    def __init__(
        self,
        accounts: MongoAccountStore,
        bans: MongoBanStore,
        audit: MongoAuditLog,
        register: Register,
        log_in: LogIn,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._accounts = accounts
        self._bans = bans
        self._audit = audit
        self._register = register
        self._log_in = log_in
        self._now_ms = now_ms

    async def add_user(self, admin: str, user_id: str, name: str, password: str) -> User:
        """As registration, without its limits."""
        self._register.check(password)
        await self.record(admin, "user.add", user_id)
        return await self._register.create(user_id, name, password)

    async def set_scopes(self, admin: str, user_id: str, scopes: Sequence[str]) -> User:
        """What the user's tokens say from the next one on. Raises NOT_FOUND."""
        await self._accounts.get(user_id)
        await self.record(admin, "user.scopes", user_id, scopes=" ".join(scopes))
        return await self._accounts.change(user_id, {"scopes": list(scopes)})

    async def ban(self, admin: str, user_id: str, until_ms: int | None, reason: str) -> Ban:
        """No more logins and no more messages until then (None: for ever); all logins end.

        Raises NOT_FOUND, and INVALID_ARGUMENT for a time that has passed."""
        now_ms = self._now_ms()
        if until_ms is not None and until_ms <= now_ms:
            raise invalid("until_ms: must be in the future")
        await self._accounts.get(user_id)
        ban = Ban(user_id, FOR_EVER_MS if until_ms is None else until_ms, reason, now_ms)
        await self.record(admin, "user.ban", user_id, until_ms=str(ban.until_ms), reason=reason)
        await self._bans.put(ban)
        # After the ban. A login that slipped in between is refused at its first refresh.
        await self._log_in.log_out_everywhere(user_id)
        return ban

    async def log_out(self, admin: str, user_id: str) -> None:
        """End all logins of a user, and their tokens and streams. Raises NOT_FOUND."""
        await self._accounts.get(user_id)
        await self.record(admin, "user.log_out", user_id)
        await self._log_in.log_out_everywhere(user_id)

    async def lift_ban(self, admin: str, user_id: str) -> None:
        """Raises NOT_FOUND when none holds."""
        now_ms = self._now_ms()
        if await self._bans.find(user_id, now_ms) is None:
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"the user {user_id!r} is not banned")
        await self.record(admin, "user.unban", user_id)
        await self._bans.put(Ban(user_id, 0, "", now_ms))

    async def record(self, admin: str, act: str, target: str, **detail: str) -> None:
        """Write an act that is about to be done."""
        await self._audit.add(admin, act, target, detail, self._now_ms())
