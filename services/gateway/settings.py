"""What an operator can set for the gateway, each with unit, default and reason."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from services.gateway.key_settings import KeySettings
from services.gateway.media_settings import MediaSettings
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.settings import MongoSettings, RouterTarget, ServiceSettings
from whimbrel.runtime.settings_group import Address, Seconds, SettingsGroup


class HttpSettings(SettingsGroup):
    """The HTTP server."""

    listen: Address = "127.0.0.1:0"
    """host:port to bind; port 0 takes a free one. Default: loopback, as for the pod's own."""
    advertise: str = ""
    """host:port where clients reach it, as the registry shows it. Default: what was bound."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024
    """Bytes of a request's body at most. Default 256 KiB: as large as a frame of a stream."""
    request_seconds: Seconds = 15.0
    """Seconds for one request, from its first byte to its answer. Default 15: above what MongoDB
    and Logic may take together."""
    head_seconds: Seconds = 10.0
    """Seconds for a request's line and headers, and for the first request of a connection.
    Default 10: a slow phone, but nobody who says nothing."""
    idle_seconds: Annotated[int, Field(ge=1)] = 30
    """Seconds for which a connection without a request is kept. Default 30: a person's next tap."""
    max_connections: Annotated[int, Field(ge=1)] = 1000
    """Connections at most; more are answered 503. Default 1000: each may cost a body's memory."""
    settle_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds between not being ready and refusing connections. Default 0: nobody balances loads
    on a laptop; in a cluster as long as a Service needs to turn away."""
    trusted_proxies: str = ""
    """Addresses of proxies whose X-Forwarded-For is believed, separated by commas. Default none:
    limits count by the address that connects."""


class TokenSettings(SettingsGroup):
    """How long a login lasts."""

    access_seconds: Seconds = 900.0
    """Seconds for which an access token holds. Default 15 minutes: a scope that was taken away
    is gone by then."""
    remembered_seconds: Seconds = 86_400.0
    """Seconds for which it is remembered that an account or a device was revoked: at least as
    long as any token holds that is accepted here. Default a day: as long as `whimbrel token`
    makes them."""
    refresh_seconds: Seconds = 30 * 86_400.0
    """Seconds after which a login ends that was not refreshed. Default 30 days: who is away for
    longer says again who they are."""


class PasswordSettings(SettingsGroup):
    """What argon2id costs, and how much of it at once. The defaults are those of RFC 9106 for
    machines with little memory."""

    passes: Annotated[int, Field(ge=1, le=20)] = 3
    """Passes over the memory. Default 3."""
    memory_kib: Annotated[int, Field(ge=8, le=1024 * 1024)] = 64 * 1024
    """KiB for one password. Default 64 MiB."""
    at_once: Annotated[int, Field(ge=1, le=16)] = 2
    """Passwords worked on at a time. Default 2: two cores and 128 MiB."""
    max_waiting: Annotated[int, Field(ge=0)] = 50
    """Passwords that wait; more are refused. Default 50: some 3 s on two cores."""
    min_length: Annotated[int, Field(ge=1, le=64)] = 8
    """Characters of a new password at least. Default 8, as NIST SP 800-63B asks."""


class LimitSettings(SettingsGroup):
    """How often, counted by each pod for itself; a burst at once, then evenly."""

    logins_per_minute: Annotated[int, Field(ge=1)] = 30
    """Attempts to log in, from one address. Default 30: an office behind one address."""
    attempts_per_minute: Annotated[int, Field(ge=1)] = 10
    """Attempts to log in as one user. Default 10: a person mistypes, a program guesses."""
    registrations_per_hour: Annotated[int, Field(ge=1)] = 20
    """Accounts made from one address. Default 20."""


class IdentityProviderSettings(SettingsGroup):
    """An OpenID Connect provider whose tokens log people in."""

    issuer: str
    """What its tokens say in `iss`. No default."""
    audience: str
    """What its tokens must say in `aud`: us. No default."""
    jwks_url: Annotated[str, Field(pattern=r"^https?://")]
    """Where it publishes its keys. No default."""
    algorithms: tuple[
        Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"], ...
    ] = (
        "RS256",
        "ES256",
        "EdDSA",
    )
    """Signatures that are accepted. Default: those that providers use; never a shared secret."""
    timeout_seconds: Seconds = 3.0
    """Seconds for fetching the keys. Default 3: a person waits for it."""


class GatewaySettings(ServiceSettings):
    """Everything a gateway pod needs to know."""

    role: ClassVar[str] = "gateway"

    mongo: MongoSettings
    """Where accounts are."""
    router: RouterTarget
    """Where this pod registers and finds Logic."""
    auth: AuthSettings
    """What tokens are signed and verified with."""
    http: HttpSettings = HttpSettings()
    """The HTTP server."""
    tokens: TokenSettings = TokenSettings()
    """How long a login lasts."""
    passwords: PasswordSettings = PasswordSettings()
    """What a password costs."""
    limits: LimitSettings = LimitSettings()
    """How often people may try."""
    media: MediaSettings = MediaSettings()
    """Files that users upload."""
    keys: KeySettings = KeySettings()
    """Public keys of devices, for end-to-end encryption."""
    identity_provider: IdentityProviderSettings | None = None
    """Who else may say who somebody is. Default: nobody."""

    @model_validator(mode="after")
    def _can_sign(self) -> Self:
        if self.auth.signing_file is None and self.auth.secret_file is None:
            raise ValueError("auth.signing_file must be set without auth.secret_file")
        return self
