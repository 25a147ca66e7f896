"""What routes stand on: made once by the bootstrap, handed to a route by FastAPI's Depends.

A route that needs more adds a field here and fills it in `assemble`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.audit_log_mongo import MongoAuditLog
from services.gateway.adapters.ban_store_mongo import MongoBanStore
from services.gateway.adapters.device_store_mongo import MongoDeviceStore
from services.gateway.adapters.identity_provider_jwks import JwksIdentityProvider
from services.gateway.adapters.login_store_mongo import MongoLoginStore
from services.gateway.adapters.passwords_argon2 import Argon2Passwords
from services.gateway.adapters.quiet_hours_store_mongo import MongoQuietHoursStore
from services.gateway.key_parts import KeyParts, assemble_keys
from services.gateway.limits import Limits
from services.gateway.media_parts import MediaParts, assemble_media
from services.gateway.media_ports import MediaStorage
from services.gateway.settings import GatewaySettings
from services.gateway.usecases.administer import Administer
from services.gateway.usecases.forget_device import ForgetDevice
from services.gateway.usecases.log_in import LogIn
from services.gateway.usecases.register import Register
from services.gateway.usecases.revoke import Revoke
from whimbrel.core.errors import unavailable
from whimbrel.runtime.auth import open_pod_secret, open_signer, open_verifier
from whimbrel.runtime.logic_pods import LogicPods
from whimbrel.runtime.revocation_store import MongoRevocationStore
from whimbrel.runtime.stores import Database
from whimbrel.runtime.tokens import TokenVerifier


@dataclass(frozen=True)
class Parts:
    """Everything that routes may use."""

    tokens: TokenVerifier
    logic: LogicPods
    limits: Limits
    accounts: MongoAccountStore
    logins: MongoLoginStore
    devices: MongoDeviceStore
    revocations: MongoRevocationStore
    revoke: Revoke
    forget_device: ForgetDevice
    quiet_hours: MongoQuietHoursStore
    bans: MongoBanStore
    audit: MongoAuditLog
    passwords: Argon2Passwords
    provider: JwksIdentityProvider | None
    register: Register
    log_in: LogIn
    administer: Administer
    keys: KeyParts
    media_parts: MediaParts | None
    """None: this gateway has no storage for media."""

    @property
    def media(self) -> MediaParts:
        """What media stand on; raises UNAVAILABLE when there is no storage for them."""
        if self.media_parts is None:
            raise unavailable("this gateway has no storage for media")
        return self.media_parts

    async def prepare(self) -> None:
        """Create what the stores need; can be repeated. Raises UNAVAILABLE."""
        users = (self.accounts, self.logins, self.devices, self.keys.store)
        for store in (*users, self.bans, self.revocations):
            await store.prepare()
        if self.media_parts is not None:
            await self.media_parts.prepare()

    def close(self) -> None:
        """Let go of the threads."""
        self.passwords.close()
        if self.media_parts is not None:
            self.media_parts.close()
        if self.provider is not None:
            self.provider.close()


def assemble(
    settings: GatewaySettings,
    database: Database,
    logic: LogicPods,
    storage: MediaStorage | None,
) -> Parts:
    """All parts of one gateway pod, on real stores. `storage`: of media; None for none."""
    accounts = MongoAccountStore(database)
    logins = MongoLoginStore(database)
    devices = MongoDeviceStore(database)
    bans = MongoBanStore(database)
    audit = MongoAuditLog(database)
    passwords = Argon2Passwords(settings.passwords)
    named = settings.identity_provider
    provider = None if named is None else JwksIdentityProvider(named)
    register = Register(
        accounts, passwords, min_length=settings.passwords.min_length, now_ms=_now_ms
    )
    revocations = MongoRevocationStore(database)
    revoke = Revoke(revocations, settings.tokens, wall_clock=time.time)
    log_in = LogIn(
        accounts,
        logins,
        devices,
        bans,
        revoke,
        passwords,
        provider,
        signer=open_signer(settings.auth),
        pod_secret=open_pod_secret(settings.auth),
        settings=settings.tokens,
        wall_clock=time.time,
    )
    return Parts(
        tokens=open_verifier(settings.auth),
        logic=logic,
        limits=Limits(settings.limits, clock=time.monotonic),
        accounts=accounts,
        logins=logins,
        devices=devices,
        revocations=revocations,
        revoke=revoke,
        forget_device=ForgetDevice(devices, logins, revoke),
        quiet_hours=MongoQuietHoursStore(database),
        bans=bans,
        audit=audit,
        passwords=passwords,
        provider=provider,
        register=register,
        log_in=log_in,
        administer=Administer(accounts, bans, audit, register, log_in, now_ms=_now_ms),
        keys=assemble_keys(settings.keys, database, devices, accounts, logic, now_ms=_now_ms),
        media_parts=None
        if storage is None
        else assemble_media(settings.media, storage, database, now_ms=_now_ms),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]
"""As the type of a route's parameter: the parts."""
