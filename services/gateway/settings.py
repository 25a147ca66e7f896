"""What an operator can set for the gateway, each with unit, default and reason."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from whimbrel.runtime.settings import (
    Address,
    AuthSettings,
    MongoSettings,
    RouterTarget,
    Seconds,
    ServiceSettings,
    SettingsGroup,
)


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
