"""Make an account: of a person who registers, or whom an administrator adds."""

from __future__ import annotations

from collections.abc import Callable

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.passwords_argon2 import Argon2Passwords
from services.gateway.domain.accounts import IDENTITY_PREFIX, SYSTEM_USER, User
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid


class Register:
    """Makes accounts."""

    def __init__(
        self,
        accounts: MongoAccountStore,
        passwords: Argon2Passwords,
        *,
        min_length: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._min_length = min_length
        self._now_ms = now_ms

    async def create(self, user_id: str, name: str, password: str) -> User:
        """A new account. Raises ALREADY_EXISTS, or INVALID_ARGUMENT for a password that is too
        short; then there is none."""
        if user_id.startswith(IDENTITY_PREFIX):
            # Else somebody could take the id of a person who has not come yet.
            raise invalid(
                f"user ids that begin with {IDENTITY_PREFIX!r} are an identity provider's"
            )
        self.check(password)
        # To whoever chooses an id, that of the system is one that somebody else has.
        is_taken = user_id == SYSTEM_USER or await self._accounts.find(user_id) is not None
        if is_taken:  # before the costly part
            raise WhimbrelError(ErrorCode.ALREADY_EXISTS, f"the user id {user_id!r} is taken")
        user = User(user_id, name or user_id, self._now_ms(), await self._passwords.hash(password))
        await self._accounts.create(user)
        return user

    async def change_password(self, user_id: str, old: str, new: str) -> None:
        """Raises UNAUTHENTICATED when the old one is wrong, also for an account without one."""
        self.check(new)
        user = await self._accounts.get(user_id)
        if not await self._passwords.verify(user.password_hash, old):
            raise WhimbrelError(ErrorCode.UNAUTHENTICATED, "the old password is wrong")
        await self._accounts.change(user_id, {"password_hash": await self._passwords.hash(new)})

    def check(self, password: str) -> None:
        """Raises INVALID_ARGUMENT for one that is too short."""
        if len(password) < self._min_length:
            raise invalid(f"password: at least {self._min_length} characters")
