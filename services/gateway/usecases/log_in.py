"""Log in, stay logged in, log out: a login lives as a chain of refresh tokens.

Each refresh token serves once. One that comes again was stolen, or its thief's was used first:
nobody can tell which, so the whole login ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.ban_store_mongo import MongoBanStore
from services.gateway.adapters.device_store_mongo import MongoDeviceStore
from services.gateway.adapters.identity_provider_jwks import JwksIdentityProvider
from services.gateway.adapters.login_store_mongo import MongoLoginStore
from services.gateway.adapters.passwords_argon2 import Argon2Passwords
from services.gateway.domain.accounts import Login, User
from services.gateway.domain.refresh_tokens import RANDOM_BYTES, RefreshTokens, hash_of
from services.gateway.settings import TokenSettings
from services.gateway.usecases.revoke import Revoke
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.token_keys import Key
from whimbrel.runtime.tokens import sign_token

_log = get_logger(__name__)


class Tokens(NamedTuple):
    """What a client gets. Times in seconds."""

    user_id: str
    login_id: str
    access_token: str
    expires_in: int
    refresh_token: str


class LogIn:
    """Everything that begins, renews or ends a login."""

    def __init__(
        self,
        accounts: MongoAccountStore,
        logins: MongoLoginStore,
        devices: MongoDeviceStore,
        bans: MongoBanStore,
        revoke: Revoke,
        passwords: Argon2Passwords,
        provider: JwksIdentityProvider | None,
        *,
        signer: Callable[[], Key],
        pod_secret: bytes,
        settings: TokenSettings,
        wall_clock: Callable[[], float],
    ) -> None:
        """`signer` gives the key that signs now. `wall_clock`: seconds since the Unix epoch."""
        self._accounts = accounts
        self._logins = logins
        self._devices = devices
        self._bans = bans
        self._revoke = revoke
        self._passwords = passwords
        self._provider = provider
        self._signer = signer
        self._refresh_tokens = RefreshTokens(pod_secret)
        self._settings = settings
        self._wall_clock = wall_clock

    async def by_password(self, user_id: str, password: str, device_id: str) -> Tokens:
        """Raises UNAUTHENTICATED, the same for an unknown user as for a wrong password; BANNED."""
        user = await self._accounts.find(user_id)
        matches = await self._passwords.verify(
            None if user is None else user.password_hash, password
        )
        if user is None or not matches:
            raise WhimbrelError(ErrorCode.UNAUTHENTICATED, "the user id or the password is wrong")
        return await self.begin(user, device_id)

    async def by_identity(self, token: str, device_id: str) -> Tokens:
        """By a token of the identity provider; the first time makes the account. Raises
        UNAUTHENTICATED, TOKEN_EXPIRED, BANNED, NOT_FOUND when there is no provider."""
        if self._provider is None:
            raise WhimbrelError(ErrorCode.NOT_FOUND, "no identity provider is set up here")
        identity = await self._provider.verify(token)
        user = await self._accounts.find(identity.user_id)
        if user is None:
            user = User(identity.user_id, identity.name, self._now_ms())
            try:
                await self._accounts.create(user)
            except WhimbrelError as error:
                if error.code is not ErrorCode.ALREADY_EXISTS:  # by another request just now
                    raise
        return await self.begin(user, device_id)

    async def begin(self, user: User, device_id: str) -> Tokens:
        """A new login of this user. Raises BANNED."""
        await self._refuse_banned(user.user_id)
        now = self._wall_clock()
        login = Login(secrets.token_hex(16), user.user_id, device_id, round(now * 1000))
        refresh_token = self._new_refresh_token(login.login_id)
        expires_at = now + self._settings.refresh_seconds
        await self._logins.add(login, hash_of(refresh_token), expires_at)
        return self._tokens(user, login.login_id, refresh_token, now)

    async def refresh(self, refresh_token: str) -> Tokens:
        """The next pair of tokens. Raises UNAUTHENTICATED; for a token that has served before,
        the login has ended then. BANNED ends it too."""
        login_id = self._refresh_tokens.login_of(refresh_token)
        successor = self._new_refresh_token(login_id)
        now = self._wall_clock()
        login = await self._logins.rotate(
            login_id,
            hash_of(refresh_token),
            hash_of(successor),
            now=now,
            expires_at=now + self._settings.refresh_seconds,
        )
        if login is None:
            stolen = await self._logins.revoke(login_id)
            if stolen is not None:
                _log.warning("refresh_token_replayed", login=login_id)
                await self._revoke.login(stolen.user_id, login_id)
            raise WhimbrelError(
                ErrorCode.UNAUTHENTICATED, "the login has ended, or this token has served before"
            )
        try:
            await self._refuse_banned(login.user_id)
        except WhimbrelError:
            await self._logins.revoke(login_id)
            raise
        return self._tokens(await self._accounts.get(login.user_id), login_id, successor, now)

    async def log_out(self, user_id: str, login_id: str) -> None:
        """End this login and its tokens; its device is not to be woken any more. Raises
        NOT_FOUND."""
        # First, so that a request that broke off here is done by the next one.
        await self._revoke.login(user_id, login_id)
        login = await self._logins.revoke(login_id)
        if login is None:
            raise WhimbrelError(ErrorCode.NOT_FOUND, "this login has ended already")
        if login.device_id:
            await self._devices.silence(login.user_id, login.device_id)

    async def log_out_everywhere(self, user_id: str) -> None:
        """End all logins of a user and their tokens; no device of theirs is to be woken any
        more."""
        await self._logins.revoke_all(user_id)
        await self._revoke.account(user_id)
        await self._devices.silence(user_id)

    async def log_out_others(self, user_id: str, login_id: str) -> None:
        """End all logins of a user but this one, and their tokens."""
        await self._logins.revoke_all(user_id, but=login_id)
        await self._revoke.account(user_id, but_login_id=login_id)

    async def _refuse_banned(self, user_id: str) -> None:
        ban = await self._bans.find(user_id, self._now_ms())
        if ban is not None:
            raise WhimbrelError(ErrorCode.BANNED, f"this user is banned: {ban.reason}")

    def _new_refresh_token(self, login_id: str) -> str:
        return self._refresh_tokens.make(login_id, secrets.token_bytes(RANDOM_BYTES))

    def _tokens(self, user: User, login_id: str, refresh_token: str, now: float) -> Tokens:
        access_token = sign_token(
            self._signer(),
            user.user_id,
            self._settings.access_seconds,
            now=now,
            scope=" ".join(user.scopes),
            login_id=login_id,
        )
        seconds = int(self._settings.access_seconds)
        return Tokens(user.user_id, login_id, access_token, seconds, refresh_token)

    def _now_ms(self) -> int:
        return round(self._wall_clock() * 1000)
